"""A proxy between the endpoint and krane that disturbs single calls.

The proxy passes calls on as bytes. A `Weather` disturbs the calls of one method for one deployment: it decides when and
whether krane gets the call, and with what status the call is answered.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import grpc

from services.config import LOOPBACK
from services.rpc.calling import open_channel

# Makes the call, and returns krane's answer.
Call = Callable[[], Awaitable[bytes]]
Weather = Callable[[Call], Awaitable[bytes]]


class Fails(Exception):
    """Raised by a weather to answer the call with a status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code)
        self.code = code


def slow(seconds: float) -> Weather:
    """Pass the call on late, even if the caller has given up."""

    async def weather(call: Call) -> bytes:
        await asyncio.sleep(seconds)
        return await call()

    return weather


def refused(code: grpc.StatusCode) -> Weather:
    """Answer with the status, and do not pass the call on."""

    async def weather(_: Call) -> bytes:
        raise Fails(code)

    return weather


def failed_afterwards(code: grpc.StatusCode) -> Weather:
    """Pass the call on, and answer with the status although krane succeeded."""

    async def weather(call: Call) -> bytes:
        await call()
        raise Fails(code)

    return weather


def seen(event: asyncio.Event, weather: Weather) -> Weather:
    """Set the event when the weather disturbs a call."""

    async def telling(call: Call) -> bytes:
        event.set()
        return await weather(call)

    return telling


async def unanswered(call: Call) -> bytes:
    """Pass the call on, and never answer."""
    await call()
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


def first(weathers: Sequence[Weather]) -> Weather:
    """Use each weather for one call, in order, then none."""
    left = iter(weathers)

    async def weather(call: Call) -> bytes:
        now = next(left, None)
        return await (now(call) if now else call())

    return weather


class KraneProxy(grpc.GenericRpcHandler):
    """Handles all methods, and keeps the weathers."""

    def __init__(self) -> None:
        self.port = 0
        self._channel: grpc.aio.Channel | None = None
        self._weathers: dict[tuple[str, str], Weather] = {}
        self._calls: set[asyncio.Future[bytes]] = set()

    def connect(self, address: str) -> None:
        """Set krane's address; no call is answered before."""
        self._channel = open_channel(address)

    def let(self, method: str, deployment_id: str, weather: Weather) -> None:
        """Disturb the calls of a method ("CreateDeployment") for a deployment."""
        self._weathers[method, deployment_id] = weather

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        path = handler_call_details.method

        async def handle(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            try:
                return await self._through(path, request)
            except Fails as failure:
                await context.abort(failure.code, "said the weather")
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")

        return grpc.unary_unary_rpc_method_handler(handle)

    async def close(self) -> None:
        """Cancel the running calls."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()

    async def _through(self, path: str, request: bytes) -> bytes:
        async def call() -> bytes:
            if self._channel is None:
                raise Fails(grpc.StatusCode.UNAVAILABLE)
            return await self._channel.unary_unary(path)(request)

        running = asyncio.ensure_future(self._weather(path, request)(call))
        self._calls.add(running)
        running.add_done_callback(self._calls.discard)
        # The call goes on, even if its caller has given up.
        return await asyncio.shield(running)

    def _weather(self, path: str, request: bytes) -> Weather:
        for (method, deployment_id), weather in self._weathers.items():
            if path.endswith(f"/{method}") and deployment_id.encode() in request:
                return weather
        return slow(0)


@asynccontextmanager
async def serving() -> AsyncGenerator[KraneProxy]:
    """Serve a proxy on a free port."""
    proxy, server = KraneProxy(), grpc.aio.server()
    server.add_generic_rpc_handlers([proxy])
    proxy.port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    try:
        yield proxy
    finally:
        await server.stop(None)
        await proxy.close()
