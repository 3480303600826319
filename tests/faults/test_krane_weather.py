"""krane is slow, refuses, or fails after it did the work: each deploy succeeds, or leaves nothing behind."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Final

import grpc
import pytest

from services.krane.client import DEADLINE_SECONDS
from tests.end_to_end.stack import eventually
from tests.faults.conftest import HASTY, SETTINGS, TAKES_MINUTES
from tests.faults.endpoint import KRANE_PORT_VARIABLE
from tests.faults.held import HeldDeploy, hold_deploy
from tests.faults.krane_proxy import (
    Call,
    KraneProxy,
    Weather,
    failed_afterwards,
    first,
    refused,
    seen,
    serving,
    slow,
    unanswered,
)
from tests.faults.world import World, installation

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(900)]

# The calls of a deploy to krane.
METHODS: Final = ("StartBuild", "GetBuild", "CreateDeployment", "GetDeployment")
UNAVAILABLE: Final = grpc.StatusCode.UNAVAILABLE
INTERNAL: Final = grpc.StatusCode.INTERNAL
# Longer than the endpoint waits for krane.
LATE_SECONDS: Final = 12.0


@pytest.fixture(scope="module")
async def proxy() -> AsyncGenerator[KraneProxy]:
    async with serving() as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def weathered(proxy: KraneProxy, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Run an installation whose endpoint reaches krane through the proxy."""
    environment = SETTINGS | HASTY | {KRANE_PORT_VARIABLE: str(proxy.port)}
    async with installation(tmp_path_factory.mktemp("weathered"), environment) as world:
        proxy.connect(world.stack.ready["krane_grpc"])
        yield world


async def test_deploys_get_through_weather_that_passes(weathered: World, proxy: KraneProxy) -> None:
    weathers = [
        {method: slow(1.0) for method in METHODS},
        {method: first([refused(UNAVAILABLE)] * 3) for method in METHODS},
        {method: first([failed_afterwards(UNAVAILABLE)] * 3) for method in METHODS},
    ]

    deploys = await asyncio.gather(*(_deploy(weathered, proxy, weather) for weather in weathers))

    await asyncio.gather(*(deploy.assert_done() for deploy in deploys))


@pytest.mark.parametrize("answer", [failed_afterwards(INTERNAL), refused(INTERNAL)], ids=["created", "not created"])
async def test_a_create_that_fails_leaves_nothing(weathered: World, proxy: KraneProxy, answer: Weather) -> None:
    deploy = await _deploy(weathered, proxy, {"CreateDeployment": answer})

    await deploy.assert_undone()


async def test_calls_that_the_endpoint_gave_up_do_no_harm(weathered: World, proxy: KraneProxy) -> None:
    is_undone, is_heard = asyncio.Event(), asyncio.Event()

    async def late(call: Call) -> bytes:
        await is_undone.wait()
        answer = await call()
        is_heard.set()
        return answer

    unheard, slowly, undone = await asyncio.gather(
        _deploy(weathered, proxy, {"CreateDeployment": first([unanswered])}),
        _deploy(weathered, proxy, {"GetDeployment": first([slow(LATE_SECONDS)])}),
        _deploy(weathered, proxy, {"CreateDeployment": first([late, refused(INTERNAL)])}),
    )

    await asyncio.gather(unheard.assert_done(), slowly.assert_done(), undone.assert_undone())
    # Only now does krane create what was already undone. The reconciler removes it.
    is_undone.set()
    await asyncio.wait_for(is_heard.wait(), LATE_SECONDS)
    await eventually(lambda: _is_gone(weathered, undone), "what was created late to be removed")
    await undone.assert_undone()


async def test_a_cancel_does_not_wait_for_what_krane_will_not_say(weathered: World, proxy: KraneProxy) -> None:
    is_asked = [asyncio.Event(), asyncio.Event()]
    weathers = [seen(is_asked[0], refused(UNAVAILABLE)), seen(is_asked[1], slow(LATE_SECONDS))]
    deploys = await asyncio.gather(*(_deploy(weathered, proxy, {"GetDeployment": weather}) for weather in weathers))
    await asyncio.gather(*(event.wait() for event in is_asked))

    began = time.monotonic()
    await asyncio.gather(*(deploy.cancel() for deploy in deploys))
    await asyncio.gather(*(deploy.assert_cancelled() for deploy in deploys))

    # Less than a single hanging call to krane would take.
    assert time.monotonic() - began < DEADLINE_SECONDS


@TAKES_MINUTES
async def test_deploys_undo_themselves_in_weather_that_stays(weathered: World, proxy: KraneProxy) -> None:
    weathers: list[Mapping[str, Weather]] = [
        *({method: refused(UNAVAILABLE)} for method in METHODS),
        {"CreateDeployment": failed_afterwards(UNAVAILABLE)},
        {"GetDeployment": slow(LATE_SECONDS)},
    ]

    deploys = await asyncio.gather(*(_deploy(weathered, proxy, weather) for weather in weathers))

    await asyncio.gather(*(deploy.assert_undone() for deploy in deploys))


async def _deploy(world: World, proxy: KraneProxy, weathers: Mapping[str, Weather]) -> HeldDeploy:
    """Start a deploy with these weathers, given by method."""
    deploy = await hold_deploy(world, "Deploy/fetch metadata/before")
    for method, weather in weathers.items():
        proxy.let(method, deploy.deployment_id, weather)
    deploy.let_go()
    return deploy


async def _is_gone(world: World, deploy: HeldDeploy) -> bool:
    with suppress(AssertionError):
        await world.assert_gone(deploy.two.project, deploy.deployment_id)
        return True
    return False
