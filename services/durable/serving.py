"""Serve durable services over plain HTTP/2 with Hypercorn. A stop suspends invocations instead of breaking them.

Restate keeps one connection with many streams open. Hypercorn's default limits on requests and streams per connection
would cut running invocations, so they are lifted. The SDK replaces Hypercorn's signal handlers, so an event stops it.

On a stop, every running invocation gets the end of its input. The SDK then lets running effects finish, and suspends at
the next await. Restate resumes the invocation elsewhere, without an error or a counted retry.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import restate
from hypercorn.asyncio import serve as hypercorn_serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from restate import VirtualObject

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_UNLIMITED = 2**31 - 1
_END_OF_INPUT: Message = {"type": "http.request", "body": b"", "more_body": False}
# Hypercorn fails the whole connection if a response ends before the peer has closed its side of the stream.
_PEER_CLOSE_SECONDS = 2.0


def endpoint_app(objects: Iterable[VirtualObject], identity_key: str | None) -> App:
    """Return the ASGI app of the durable services; with a key, it serves only requests signed by that Restate."""
    return restate.app(list(objects), identity_keys=[identity_key] if identity_key else None)


def code_revision(package: Path) -> str:
    """Return a short hash of a package's sources. Restate pins invocations to the revision that began them."""
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


async def serve(app: App, host: str, port: int, *, stop: asyncio.Event, grace_seconds: float) -> None:
    """Serve until `stop` is set; then suspend running invocations, with `grace_seconds` for running effects."""
    config = Config()
    config.bind = [f"{host}:{port}"]
    config.h2_max_concurrent_streams = _UNLIMITED
    config.keep_alive_max_requests = _UNLIMITED
    config.keep_alive_timeout = _UNLIMITED
    config.graceful_timeout = grace_seconds
    draining = DrainingApp(app)

    async def drained() -> None:
        await stop.wait()
        await draining.drain(grace_seconds)

    try:
        await hypercorn_serve(draining, config, shutdown_trigger=drained)  # pyright: ignore[reportArgumentType]
    except* KeyError:
        # While stopping, Hypercorn resets new streams and then fails with KeyError on their data. No other stream is
        # open by then, and Restate repeats the calls.
        if not stop.is_set():
            raise


class DrainingApp:
    """Wraps an ASGI app so that it can be drained. Also handles the lifespan protocol, which the SDK does not."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._draining = asyncio.Event()
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, grace_seconds: float) -> None:
        """End the input of all running requests, and wait for their answers for at most `grace_seconds`."""
        self._draining.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
            return
        self._active += 1
        self._idle.clear()
        exchange = _Exchange(receive, send, self._draining)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.close()
            self._active -= 1
            if self._active == 0:
                self._idle.set()


class _Exchange:
    """One request and its answer. Its input ends early when the app drains."""

    def __init__(self, receive: Receive, send: Send, draining: asyncio.Event) -> None:
        self._receive = receive
        self._send = send
        self._draining = draining
        self._pending: asyncio.Task[Message] | None = None
        self._is_ended = False

    async def receive(self) -> Message:
        if self._is_ended:
            # No message follows the end of the input; the SDK cancels this await when it is done.
            await asyncio.Event().wait()
        pending = self._next()
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({pending, drain}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drain.cancel()
        if pending.done():
            self._pending = None
            return pending.result()
        self._is_ended = True
        return _END_OF_INPUT

    async def send(self, message: Message) -> None:
        if self._is_ended and message["type"] == "http.response.body" and not message.get("more_body"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PEER_CLOSE_SECONDS):
                    await self._peer_closed()
        await self._send(message)

    def close(self) -> None:
        if self._pending is not None:
            self._pending.cancel()

    async def _peer_closed(self) -> None:
        while True:
            message = await self._next()
            self._pending = None
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return

    def _next(self) -> asyncio.Task[Message]:
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._read())
        return self._pending

    async def _read(self) -> Message:
        return await self._receive()


async def _acknowledge_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
