"""The public API as JSON over HTTP: POST /ctrl.v1.ControlService/<Method>, GET /health, GET /openapi.json.

Web pages cannot call it: requests whose Host is not this machine are refused (DNS rebinding), and so is any content
type but `application/json`, which a page of another origin cannot send without a CORS preflight.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ctrl.control import CONTROL_SERVICE, Method, Stream, streaming_methods, unary_methods
from services.ctrl.openapi import openapi_document
from services.domain.errors import InterlockError, Invalid
from services.rpc.errors import internal_message, status_of
from services.rpc.json import from_json, to_json
from services.telemetry import get_logger

MAX_BODY_BYTES: Final = 1024 * 1024
# Maximum time for a client to send its body.
BODY_SECONDS: Final = 10.0
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

_INTERNAL_MESSAGE: Final = internal_message("ctrl")

_log = get_logger(__name__)


def http_app(methods: Mapping[str, Method], streams: Mapping[str, Stream]) -> Starlette:
    """Create the application; `methods` come from `services.ctrl.control.bind`, `streams` are by method name."""
    calls = [_call_route(method, methods[method.name]) for method in unary_methods(CONTROL_SERVICE)]
    calls += [_stream_route(method, streams[method.name]) for method in streaming_methods(CONTROL_SERVICE)]
    return Starlette(
        routes=[
            Route("/health", _health, methods=["GET"]),
            Route("/openapi.json", _openapi, methods=["GET"]),
            *calls,
        ],
        middleware=[Middleware(OwnHostOnly)],
        exception_handlers={
            InterlockError: _answer_domain_error,
            HTTPException: _answer_http_error,
            # Starlette raises the exception again afterwards, and Hypercorn logs it.
            Exception: _answer_bug,
        },
    )


class OwnHostOnly:
    """Middleware that refuses requests whose Host header is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        app = self._app
        if scope["type"] == "http" and not _is_own(Request(scope).headers.getlist("host")):
            app = _error(HTTPStatus.FORBIDDEN, "forbidden", "send requests to localhost or 127.0.0.1")
        await app(scope, receive, send)


def _is_own(hosts: list[str]) -> bool:
    name, separator, port = (hosts[0] if len(hosts) == 1 else "").rpartition(":")
    if not separator or not port.isdecimal():
        name = f"{name}{separator}{port}"
    return name.lower() in _OWN_NAMES


def _call_route(method: MethodDescriptor, call: Method) -> Route:
    async def endpoint(request: Request) -> Response:
        answer = await call(await _read_message(method, request))
        return Response(to_json(answer), media_type="application/json")

    return Route(f"/{CONTROL_SERVICE.full_name}/{method.name}", endpoint, methods=["POST"])


def _stream_route(method: MethodDescriptor, stream: Stream) -> Route:
    async def endpoint(request: Request) -> Response:
        messages = await stream(await _read_message(method, request))
        return StreamingResponse(_json_lines(messages), media_type="application/x-ndjson")

    return Route(f"/{CONTROL_SERVICE.full_name}/{method.name}", endpoint, methods=["POST"])


async def _json_lines(messages: AsyncGenerator[Message]) -> AsyncGenerator[str]:
    async with aclosing(messages):
        try:
            async for message in messages:
                yield to_json(message, indent=None) + "\n"
        except InterlockError as error:
            # The HTTP status has already been sent, so the error is the last line.
            _, code, text = _described(error)
            yield json.dumps({"code": code, "message": text}) + "\n"


async def _read_message(method: MethodDescriptor, request: Request) -> Message:
    text = await _read_object(request)
    try:
        return from_json(text, GetMessageClass(method.input_type)())
    except json_format.ParseError as error:
        raise Invalid(f"the body is not a {method.input_type.full_name}: {error}") from error


async def _read_object(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send content-type: application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            text = (await _read_body(request)).decode().strip()
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time") from error
    except UnicodeDecodeError as error:
        raise Invalid("the body is not UTF-8") from error
    if not text.startswith("{"):
        raise Invalid("the body is not a JSON object")
    return text


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi_document())


async def _answer_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InterlockError)
    status, code, message = _described(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.warning("call failed", path=request.url.path, error=error.message)
    return _error(status, code, message)


async def _answer_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"), error.detail)


async def _answer_bug(_: Request, __: Exception) -> Response:
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, InterlockError.code, _INTERNAL_MESSAGE)


def _described(error: InterlockError) -> tuple[int, str, str]:
    """Return status, code and message for a caller; causes and stack traces go only to the log."""
    if status_of(error) is None:
        return InterlockError.http_status, InterlockError.code, _INTERNAL_MESSAGE
    return error.http_status, error.code, error.message


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status_code=status)
