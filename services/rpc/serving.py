"""gRPC servers: what all parts have in common, and how errors reach the callers.

Every call of every service passes `Calls`, streaming or not. Anything else that must see every call, such as a check
of the caller, is another interceptor beside it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from inspect import isasyncgen
from types import AsyncGeneratorType
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.domain.errors import Invalid
from services.rpc.errors import internal_message, status_of
from services.telemetry import get_logger

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"

_log = get_logger(__name__)


def create_server(part: str, *options: tuple[str, Any]) -> grpc.aio.Server:
    """Create the server of a part; it does not listen yet."""
    # With SO_REUSEPORT, two servers on one port would each get some of the calls.
    return grpc.aio.server(interceptors=[Calls(part)], options=[("grpc.so_reuseport", 0), *options])


def announce(server: grpc.aio.Server, services: Iterable[str], servicer: health.aio.HealthServicer) -> None:
    """Add the health service, and reflection for these services."""
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


class Calls(grpc.aio.ServerInterceptor):
    """Answers domain errors with their statuses, and undecodable requests with INVALID_ARGUMENT.

    Any other error is a bug: it is logged, and the answer is INTERNAL.
    """

    def __init__(self, part: str) -> None:
        self._part = part

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handler of a method; without one, gRPC answers UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        return handler and self._wrap(handler, handler_call_details.method)

    def _wrap(self, handler: "grpc.RpcMethodHandler[Any, Any]", path: str) -> Handler:
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        method = getattr(handler, kind)

        # gRPC itself would answer INTERNAL for an undecodable request.
        def decode(data: bytes) -> Any:
            assert handler.request_deserializer is not None
            try:
                return handler.request_deserializer(data)
            except DecodeError as error:
                raise Invalid(f"the request is not a valid {path.lstrip('/')} request") from error

        def decoded(sent: Any) -> Any:
            return (decode(data) async for data in sent) if handler.request_streaming else decode(sent)

        async def answer_one(sent: Any, context: Context) -> Any:
            async with self._errors_as_statuses(path, context):
                return await method(decoded(sent), context)

        async def answer_many(sent: Any, context: Context) -> None:
            async with self._errors_as_statuses(path, context):
                answers = method(decoded(sent), context)
                # A servicer may also write its answers itself.
                await (_write(answers, context) if isasyncgen(answers) else answers)

        return getattr(grpc, f"{kind}_rpc_method_handler")(
            answer_many if handler.response_streaming else answer_one, response_serializer=handler.response_serializer
        )

    @asynccontextmanager
    async def _errors_as_statuses(self, path: str, context: Context) -> AsyncGenerator[None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            status = status_of(error)
            if status is None:
                _log.exception("call failed", method=path)
                await context.abort(grpc.StatusCode.INTERNAL, internal_message(self._part))
            await context.abort(status, str(error))


def _arity(is_stream: bool) -> str:
    return "stream" if is_stream else "unary"


async def _write(answers: AsyncGeneratorType[Any, Any], context: Context) -> None:
    async with aclosing(answers):
        async for answer in answers:
            # Returns when the caller can receive more.
            await context.write(answer)
