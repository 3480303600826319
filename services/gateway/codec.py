"""The gateway contract's messages and statuses, to and from our own types."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from services.domain.errors import InterlockError, Invalid, Unavailable
from services.domain.routes import Route, RouteTable
from services.gen.gateway.v1 import gateway_pb2

STATUS_OF: dict[type[InterlockError], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
# An agent that does not answer in time may answer the next time.
ERROR_OF: dict[grpc.StatusCode, type[InterlockError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: Invalid,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
}


@asynccontextmanager
async def errors_as_statuses(context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[None]:
    """End the call with the status of a domain error raised in the block."""
    try:
        yield
    except (Invalid, Unavailable) as error:
        await context.abort(STATUS_OF[type(error)], error.message)


@asynccontextmanager
async def statuses_as_errors(tried: str) -> AsyncGenerator[None]:
    """Raise the domain error of a call's status; a status that the agent never means stays as it is, loud."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() not in ERROR_OF:
            raise
        raise ERROR_OF[error.code()](f"{tried}: {error.details()}") from error


def encode_routes(table: RouteTable) -> list[gateway_pb2.Route]:
    """The routes of a table, each with the addresses behind it."""
    return [
        gateway_pb2.Route(
            hostname=route.hostname,
            deployment_id=route.deployment_id,
            addresses=table.addresses.get(route.deployment_id, ()),
        )
        for route in table.routes
    ]


def decode_routes(response: gateway_pb2.GetSnapshotResponse) -> RouteTable:
    """The table that `encode_routes` was given, as far as it was routed."""
    return RouteTable(
        revision=response.revision,
        routes=tuple(Route(hostname=route.hostname, deployment_id=route.deployment_id) for route in response.routes),
        addresses={route.deployment_id: tuple(route.addresses) for route in response.routes},
    )
