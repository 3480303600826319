"""RoutingService: changes domains and routes of a project in transactions, and waits until the gateways apply them."""
