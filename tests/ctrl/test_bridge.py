import time
from collections.abc import AsyncIterator, Awaitable

import grpc
import grpc.aio
import pytest

from services.gen.hydra.v1 import routing_pb2
from services.gen.hydra.v1.deployment_pb2_grpc import DeploymentServiceStub
from services.gen.hydra.v1.routing_pb2_grpc import RoutingServiceStub
from tests.ctrl.installation import Installation

KEY = (("x-restate-key", "p_1"),)


@pytest.fixture
async def channel(installation: Installation) -> AsyncIterator[grpc.aio.Channel]:
    """A plain channel, as any generated client has it."""
    async with grpc.aio.insecure_channel(installation.grpc_address) as channel:
        yield channel


async def test_a_call_is_carried_to_the_object_of_its_key(channel: grpc.aio.Channel) -> None:
    request = routing_pb2.AssignDomainsRequest(domains=[routing_pb2.DomainToAssign(name="a.example")])

    for stub in (DeploymentServiceStub(channel), RoutingServiceStub(channel)):
        response = await stub.AssignDomains(request, metadata=KEY)

        assert list(response.changed_domain_names) == ["p_1", "a.example"]
        assert response.revision == 2**40


async def test_an_idempotency_key_makes_two_calls_one(channel: grpc.aio.Channel) -> None:
    stub = RoutingServiceStub(channel)
    metadata = (*KEY, ("idempotency-key", "once"))

    first, second = [await stub.SwitchDomains(switch("t"), metadata=metadata) for _ in range(2)]
    third = await stub.SwitchDomains(switch("t"), metadata=KEY)

    assert first == second
    assert first != third


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, grpc.StatusCode.INVALID_ARGUMENT),
        (404, grpc.StatusCode.NOT_FOUND),
        (409, grpc.StatusCode.ABORTED),
        (412, grpc.StatusCode.FAILED_PRECONDITION),
        (503, grpc.StatusCode.UNAVAILABLE),
        (504, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_a_refusal_keeps_its_meaning_and_its_words(
    channel: grpc.aio.Channel, status: int, expected: grpc.StatusCode
) -> None:
    error = await refused(RoutingServiceStub(channel).SwitchDomains(switch(f"refuse-{status}"), metadata=KEY))

    assert (error.code(), error.details()) == (expected, f"refused refuse-{status}")


async def test_a_bug_behind_the_bridge_shows_nothing_of_itself(channel: grpc.aio.Channel) -> None:
    error = await refused(RoutingServiceStub(channel).SwitchDomains(switch("refuse-500"), metadata=KEY))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "refuse-500" not in (error.details() or "")


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("x-restate-key", ""),),
        (("x-restate-key", "../services"),),
        (("x-restate-key", "a/b"),),
        (("x-restate-key", "a"), ("x-restate-key", "b")),
        (*KEY, ("idempotency-key", "a b")),
    ],
)
async def test_bad_metadata_is_refused_with_what_to_send(
    channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    error = await refused(RoutingServiceStub(channel).SwitchDomains(switch("t"), metadata=metadata))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "send" in (error.details() or "") or "use" in (error.details() or "")


async def test_the_callers_deadline_ends_the_wait(channel: grpc.aio.Channel) -> None:
    begun = time.monotonic()

    slow = RoutingServiceStub(channel).SwitchDomains(
        switch("slow"), metadata=(("x-restate-key", "p_slow"),), timeout=0.5
    )
    error = await refused(slow)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 5


async def test_restore_domains_is_internal(channel: grpc.aio.Channel) -> None:
    request = routing_pb2.RestoreDomainsRequest(operation_id="x")

    error = await refused(RoutingServiceStub(channel).RestoreDomains(request, metadata=KEY))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "internal" in (error.details() or "")


async def test_without_restate_calls_are_unavailable(installation: Installation, channel: grpc.aio.Channel) -> None:
    installation.restate.stop(keep_data=True)
    try:
        error = await refused(RoutingServiceStub(channel).SwitchDomains(switch("t"), metadata=KEY))
    finally:
        installation.restate.start()

    assert error.code() is grpc.StatusCode.UNAVAILABLE


def switch(target: str) -> routing_pb2.SwitchDomainsRequest:
    return routing_pb2.SwitchDomainsRequest(target_deployment_id=target)


async def refused(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value
