"""RoutingService: domain and gateway changes of one project, each one transaction, acknowledged by the gateways."""
