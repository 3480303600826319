"""The gateway contract's messages, to and from our own types."""

from services.domain.routes import Route, RouteTable
from services.domain.settings import HTTP1
from services.gen.gateway.v1 import gateway_pb2


def encode_routes(table: RouteTable) -> list[gateway_pb2.Route]:
    """The routes of a table, each with the addresses behind it."""
    return [
        gateway_pb2.Route(
            hostname=route.hostname,
            deployment_id=route.deployment_id,
            addresses=table.addresses.get(route.deployment_id, ()),
            protocol=table.protocols.get(route.deployment_id, HTTP1),
        )
        for route in table.routes
    ]


def decode_routes(response: gateway_pb2.GetSnapshotResponse) -> RouteTable:
    """The table that `encode_routes` was given, as far as it was routed."""
    return RouteTable(
        revision=response.revision,
        routes=tuple(Route(hostname=route.hostname, deployment_id=route.deployment_id) for route in response.routes),
        addresses={route.deployment_id: tuple(route.addresses) for route in response.routes},
        protocols={route.deployment_id: route.protocol for route in response.routes if route.protocol != HTTP1},
    )
