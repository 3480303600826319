"""gRPC handlers made from service descriptors.

Requests are decoded here and not by the library, which answers INTERNAL to what it cannot decode.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from services.ctrl.control import CONTROL_SERVICE, Method, Stream, streaming_methods, unary_methods
from services.ctrl.errors import INTERNAL_MESSAGE, grpc_status
from services.domain.errors import InterlockError, Invalid
from services.gen.ctrl.v1 import control_pb2 as pb
from services.telemetry import get_logger

Request = TypeVar("Request", bound=Message)
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
UnaryCall = Callable[[Any, Context], Awaitable[Message]]
Upload = Callable[[AsyncIterator[pb.UploadSourceRequest]], Awaitable[pb.UploadSourceResponse]]

_log = get_logger(__name__)


def control_handlers(
    methods: Mapping[str, Method], streams: Mapping[str, Stream], upload: Upload
) -> grpc.GenericRpcHandler:
    """The handlers of ctrl.v1.ControlService."""
    handlers = {m.name: unary_handler(m, _without_context(methods[m.name])) for m in unary_methods(CONTROL_SERVICE)}
    handlers |= {m.name: _stream_handler(m, streams[m.name]) for m in streaming_methods(CONTROL_SERVICE)}
    handlers["UploadSource"] = _upload_handler(upload)
    return grpc.method_handlers_generic_handler(CONTROL_SERVICE.full_name, handlers)


def service_handlers(
    service: ServiceDescriptor, call_of: Callable[[MethodDescriptor], UnaryCall]
) -> grpc.GenericRpcHandler:
    """Handlers for the unary methods of any service; `call_of` gives what to do for each."""
    handlers = {method.name: unary_handler(method, call_of(method)) for method in unary_methods(service)}
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def unary_handler(method: MethodDescriptor, call: UnaryCall) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler that decodes, calls, encodes, and maps errors to statuses."""

    request_type = GetMessageClass(method.input_type)

    async def handle(data: bytes, context: Context) -> bytes:
        async with _errors_as_statuses(method.full_name, context):
            return (await call(_decode(request_type, data), context)).SerializeToString()

    return grpc.unary_unary_rpc_method_handler(handle)  # pyright: ignore[reportArgumentType] -- the stubs know no aio


def _stream_handler(method: MethodDescriptor, stream: Stream) -> "grpc.RpcMethodHandler[bytes, bytes]":
    request_type = GetMessageClass(method.input_type)

    async def handle(data: bytes, context: Context) -> None:
        async with (
            _errors_as_statuses(method.full_name, context),
            aclosing(await stream(_decode(request_type, data))) as messages,
        ):
            async for message in messages:
                # Returns when the caller has room for more.
                await context.write(message.SerializeToString())

    return grpc.unary_stream_rpc_method_handler(handle)  # pyright: ignore[reportArgumentType] -- the stubs know no aio


def _upload_handler(upload: Upload) -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def handle(chunks: AsyncIterator[bytes], context: Context) -> bytes:
        async with _errors_as_statuses("UploadSource", context):
            decoded = (_decode(pb.UploadSourceRequest, chunk) async for chunk in chunks)
            return (await upload(decoded)).SerializeToString()

    return grpc.stream_unary_rpc_method_handler(handle)  # pyright: ignore[reportArgumentType] -- the stubs know no aio


def _without_context(method: Method) -> UnaryCall:
    async def call(request: Message, _: Context) -> Message:
        return await method(request)

    return call


@asynccontextmanager
async def _errors_as_statuses(method: str, context: Context) -> AsyncGenerator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except InterlockError as error:
        status, details = grpc_status(error)
        if status is grpc.StatusCode.INTERNAL:
            _log.exception("call failed", method=method)
        await context.abort(status, details)
    except Exception:
        _log.exception("call failed", method=method)
        await context.abort(grpc.StatusCode.INTERNAL, INTERNAL_MESSAGE)


def _decode(message_type: type[Request], data: bytes) -> Request:
    try:
        return message_type.FromString(data)
    except DecodeError as error:
        raise Invalid(f"the request is not a valid {message_type.DESCRIPTOR.full_name}") from error
