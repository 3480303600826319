"""Forward gRPC calls of the durable services to Restate's ingress, for any client generated from proto/.

Metadata: `x-restate-key` names the virtual object (the project id) and is required; `idempotency-key` is passed on.
The caller's deadline ends the wait, never the operation. RoutingService is private at the ingress: its calls go to the
handler of the same name of DeploymentService. A method without such a handler is internal and refused.

Statuses: 400 INVALID_ARGUMENT, 404 NOT_FOUND, 409 ABORTED, 412 FAILED_PRECONDITION, 503 UNAVAILABLE,
504 DEADLINE_EXCEEDED, anything else INTERNAL.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.ctrl.checks import check_idempotency_key
from services.domain.errors import Invalid
from services.domain.ids import check_id
from services.durable.client import RestateClient
from services.durable.serde import read_message
from services.gen.hydra.v1 import deployment_pb2, routing_pb2
from services.gen.hydra.v1.deployment_pb2_grpc import add_DeploymentServiceServicer_to_server
from services.gen.hydra.v1.routing_pb2_grpc import add_RoutingServiceServicer_to_server
from services.rpc.serving import Context

KEY_METADATA: Final = "x-restate-key"
IDEMPOTENCY_METADATA: Final = "idempotency-key"
LONGEST_WAIT: Final = timedelta(minutes=10)

_DEPLOYMENT: Final[ServiceDescriptor] = deployment_pb2.DESCRIPTOR.services_by_name["DeploymentService"]
_ROUTING: Final[ServiceDescriptor] = routing_pb2.DESCRIPTOR.services_by_name["RoutingService"]
BRIDGED: Final = (_DEPLOYMENT, _ROUTING)

Carrier = Callable[[Message, Context], Awaitable[Message]]


class Bridge:
    """Serves hydra.v1 by forwarding to Restate."""

    def __init__(self, restate: RestateClient) -> None:
        self._restate = restate

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve every bridged service."""
        add_DeploymentServiceServicer_to_server(self._carriers(_DEPLOYMENT), server)
        add_RoutingServiceServicer_to_server(self._carriers(_ROUTING), server)

    def _carriers(self, service: ServiceDescriptor) -> Any:
        return SimpleNamespace(**{method.name: self._carrier(method) for method in service.methods})

    def _carrier(self, method: MethodDescriptor) -> Carrier:
        if method.name not in _DEPLOYMENT.methods_by_name:
            return _refuse_internal

        async def carry(request: Message, context: Context) -> Message:
            answer = await self._restate.call(
                _DEPLOYMENT.full_name,
                _object_key(context),
                method.name,
                request.SerializeToString(),
                idempotency_key=check_idempotency_key(_metadata(context, IDEMPOTENCY_METADATA)),
                timeout=_wait(context),
            )
            return read_message(GetMessageClass(method.output_type), answer)

        return carry


async def _refuse_internal(_: Message, context: Context) -> Message:
    await context.abort(
        grpc.StatusCode.PERMISSION_DENIED, "this method is internal: only the durable operations may call it"
    )


def _object_key(context: Context) -> str:
    key = _metadata(context, KEY_METADATA)
    if not key:
        raise Invalid(f"send the project id as call metadata {KEY_METADATA!r}")
    return check_id(f"call metadata {KEY_METADATA}", key)


def _metadata(context: Context, name: str) -> str:
    values = [str(value) for key, value in context.invocation_metadata() or () if key == name]
    if len(values) > 1:
        raise Invalid(f"call metadata {name!r} was sent {len(values)} times; send it once")
    return values[0] if values else ""


def _wait(context: Context) -> timedelta:
    # The type stubs do not say so, but it is None for a call without a deadline.
    remaining = cast(float | None, context.time_remaining())
    return LONGEST_WAIT if remaining is None else timedelta(seconds=max(remaining, 0.001))
