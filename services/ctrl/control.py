"""ctrl.v1.ControlService independent of the transport: finds the implementation of each unary method.

A call that has begun runs to its end even if the caller disconnects, because its changes in the database and in
Restate belong together.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from services.gen.ctrl.v1 import control_pb2

CONTROL_SERVICE: Final[ServiceDescriptor] = control_pb2.DESCRIPTOR.services_by_name["ControlService"]

Method = Callable[[Any], Awaitable[Message]]
# Checks the request, and returns the messages to stream.
Stream = Callable[[Any], Awaitable[AsyncGenerator[Message]]]


def unary_methods(service: ServiceDescriptor) -> list[MethodDescriptor]:
    """Return the methods that take one message and return one."""
    return [m for m in service.methods if not m.client_streaming and not m.server_streaming]


def streaming_methods(service: ServiceDescriptor) -> list[MethodDescriptor]:
    """Return the methods that take one message and return a stream."""
    return [m for m in service.methods if not m.client_streaming and m.server_streaming]


def bind(*parts: object) -> Mapping[str, Method]:
    """Find each unary method of the contract among `parts`, by name; raises LookupError unless there is exactly one."""
    methods: dict[str, Method] = {}
    for method in unary_methods(CONTROL_SERVICE):
        found = [getattr(part, method.name) for part in parts if hasattr(part, method.name)]
        if len(found) != 1:
            raise LookupError(f"{method.full_name} has {len(found)} implementations")
        methods[method.name] = _uninterrupted(found[0])
    return methods


def _uninterrupted(method: Method) -> Method:
    running: set[asyncio.Future[Message]] = set()

    def ended(call: asyncio.Future[Message]) -> None:
        running.discard(call)
        if not call.cancelled():
            # If the caller has disconnected, nobody else retrieves the exception, and asyncio would log it.
            call.exception()

    async def call(request: Message) -> Message:
        begun = asyncio.ensure_future(method(request))
        running.add(begun)
        begun.add_done_callback(ended)
        return await asyncio.shield(begun)

    return call
