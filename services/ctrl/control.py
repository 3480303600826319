"""ctrl.v1.ControlService, free of any door: each unary method of the contract and what implements it.

A call that has begun runs to its end, even when the caller leaves: what it changes in the database and in Restate
belongs together.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from services.gen.ctrl.v1 import control_pb2

CONTROL_SERVICE: Final[ServiceDescriptor] = control_pb2.DESCRIPTOR.services_by_name["ControlService"]

Method = Callable[[Any], Awaitable[Message]]
# Checks the request, and answers with the messages to come.
Stream = Callable[[Any], Awaitable[AsyncGenerator[Message]]]


def unary_methods(service: ServiceDescriptor) -> list[MethodDescriptor]:
    """The methods of a service that take one message and answer one."""
    return [m for m in service.methods if not m.client_streaming and not m.server_streaming]


def streaming_methods(service: ServiceDescriptor) -> list[MethodDescriptor]:
    """The methods of a service that take one message and answer many."""
    return [m for m in service.methods if not m.client_streaming and m.server_streaming]


def bind(*parts: object) -> Mapping[str, Method]:
    """Find each unary method of the contract among `parts`, by name; raises LookupError when one is missing."""
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
            # The caller may be gone: then nobody else asks for the outcome.
            call.exception()

    async def call(request: Message) -> Message:
        begun = asyncio.ensure_future(method(request))
        running.add(begun)
        begun.add_done_callback(ended)
        return await asyncio.shield(begun)

    return call
