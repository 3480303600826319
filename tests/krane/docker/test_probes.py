"""When a container that is probed without a path counts as healthy: only if it accepts by itself."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from services.krane.backends.docker.probe import PublishedPortProber
from tests.krane.docker.support import call
from tests.krane.docker_image import derive_image
from tests.krane.installation import Krane
from tests.krane.support import LISTING, NAMESPACE, ask, healthy, instance_when, inward_listing, spec, with_run

PATHLESS = "interlock-test-pathless:1"


@pytest.fixture(scope="module")
async def pathless(krane: Krane) -> AsyncGenerator[str]:
    """An image that sets no health path."""
    label = """LABEL interlock.app='{"command": []}'"""
    await asyncio.to_thread(derive_image, krane.kind.settings.docker_socket, PATHLESS, krane.image, [label])
    yield PATHLESS
    await call(krane.kind, "DELETE", f"/images/{PATHLESS}", force="true")


@asynccontextmanager
async def late_proxy(seconds: float) -> AsyncGenerator[str]:
    """What the engine's proxy does on a busy machine when nothing listens: it closes late."""

    async def close_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.close()

    server = await asyncio.start_server(close_late, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("late_seconds", [0, 0.02, 0.06, 0.1])
@pytest.mark.parametrize("path", ["", "/healthz"])
async def test_port_with_nothing_behind_it_is_closed_however_late_its_proxy_closes(
    unused_tcp_port: int, late_seconds: float, path: str
) -> None:
    prober = PublishedPortProber()
    async with late_proxy(late_seconds) as published:
        prober.note(published, f"127.0.0.1:{unused_tcp_port}")
        found = await prober.probe(published, path, 5000)
    await prober.close()

    assert found.problem == f"nothing listens on port {published.rpartition(':')[2]}"


async def test_instance_is_unreachable_if_only_its_published_port_does_not_answer(unused_tcp_port: int) -> None:
    prober = PublishedPortProber()
    async with late_proxy(1) as own_address:
        prober.note(f"127.0.0.1:{unused_tcp_port}", own_address)
        found = await prober.probe(f"127.0.0.1:{unused_tcp_port}", "", 5000)
    await prober.close()

    assert found.problem == f"nothing listens on port {unused_tcp_port}"


async def test_container_without_a_health_path_is_healthy_once_it_accepts(krane: Krane, pathless: str) -> None:
    await krane.client.create(with_run(spec("outward-1", pathless), command=LISTING))

    instance = await healthy(krane.client, "outward-1")

    assert (await ask(instance, "/")).status_code == 200
    await krane.client.delete(NAMESPACE, "outward-1")


async def test_container_that_listens_on_its_own_loopback_alone_is_never_healthy(krane: Krane, pathless: str) -> None:
    await krane.client.create(with_run(spec("inward-1", pathless), command=inward_listing()))

    told = await instance_when(krane.client, "inward-1", lambda one: one.healthy or "it listens" in one.reason)

    assert not told.healthy
    assert told.reason == "it listens on 127.0.0.1:8080, not on 0.0.0.0:8080: let it listen on 0.0.0.0"
    await krane.client.delete(NAMESPACE, "inward-1")
