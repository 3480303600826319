"""What apps and deployments say of how they are run: answered by builds, kept by images, followed by instances."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Conflict, Invalid
from services.domain.settings import RunSettings
from services.krane.client import KraneClient
from services.krane.types import AppSettings, BuildStatus
from tests.krane.contract.conftest import Needs
from tests.krane.installation import GRACE_SECONDS, Kind, Krane, krane_process
from tests.krane.support import LISTING, NAMESPACE, ask, build, healthy, pack, spec, until, with_run

EVERYTHING = """
[start]
command = ["python", "-S", "-m", "http.server", "$PORT"]
port = 9000
stop_seconds = 7

[health]
path = "/up"

[resources]
replicas = 2
cpu_millicores = 300
memory_mib = 200

[env]
MODE = "a=b \\"c\\""

[release]
command = "python migrate.py 'two words'"
"""


@pytest.mark.needs(Needs.BUILDS)
async def test_a_build_answers_what_the_source_says_and_so_does_one_that_finds_the_image(krane: Krane) -> None:
    archive = pack({"interlock.toml": EVERYTHING})

    first = await build(krane.client, "says-1", archive)
    second = await build(krane.client, "says-2", archive)

    assert (first.status, second.cached) == (BuildStatus.SUCCEEDED, True)
    assert first.settings == second.settings
    assert first.settings == AppSettings(
        run=RunSettings(
            replicas=2,
            cpu_millicores=300,
            memory_mib=200,
            health_path="/up",
            port=9000,
            stop_seconds=7,
            release_command=("python", "migrate.py", "two words"),
        ),
        environment={"MODE": 'a=b "c"'},
    )


@pytest.mark.parametrize("port", [0, 7000])
@pytest.mark.needs(Needs.BUILDS)
async def test_an_app_listens_where_its_deployment_says_else_where_it_says_itself(krane: Krane, port: int) -> None:
    built = await build(krane.client, f"listens-{port}", pack({"interlock.toml": EVERYTHING, "up": "here"}))

    await krane.client.create(with_run(spec("listens-1", built.image), port=port))

    assert (await ask(await healthy(krane.client, "listens-1"), "/up")).text == "here"
    await krane.client.delete(NAMESPACE, "listens-1")


async def test_an_instance_runs_the_command_of_its_deployment_instead_of_its_images(krane: Krane) -> None:
    wanted = with_run(spec("commanded-1", krane.image, path="/"), command=LISTING)

    await krane.client.create(wanted)

    assert "Directory listing" in (await ask(await healthy(krane.client, "commanded-1"), "/")).text
    with pytest.raises(Conflict):
        await krane.client.create(with_run(wanted, command=()))
    await krane.client.delete(NAMESPACE, "commanded-1")


@pytest.mark.needs(Needs.RESTARTS)
async def test_the_next_krane_goes_on_with_the_command_of_a_deployment_and_starts_it_again(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        wanted = with_run(spec("lasting-1", await kind.image(client), path="/"), command=LISTING)
        for deployment_id in ("lasting-1", "ended-1"):
            await client.create(replace(wanted, deployment_id=deployment_id))
        for deployment_id in ("lasting-1", "ended-1"):
            await healthy(client, deployment_id)
        lasting, ended = process.processes("lasting-1"), process.processes("ended-1")

        await process.end(signal.SIGKILL)
        for pid in ended:
            os.kill(pid, signal.SIGKILL)
        await process.start()

        async def started_again() -> set[int]:
            return process.processes("ended-1") - ended

        await until(started_again)
        for deployment_id in ("lasting-1", "ended-1"):
            listing = await ask(await healthy(client, deployment_id), "/")
            assert "Directory listing" in listing.text
        assert process.processes("lasting-1") == lasting != set()


@pytest.mark.needs(Needs.RESTARTS)
async def test_an_app_that_will_not_end_is_killed_when_its_own_time_is_over_by_the_next_krane_too(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        image = await kind.image(client)
        for deployment_id, stop_seconds in (("stubborn-1", 3), ("stubborn-2", 0)):
            await client.create(with_run(spec(deployment_id, image), stop_seconds=stop_seconds))
        await asyncio.gather(healthy(client, "stubborn-1"), healthy(client, "stubborn-2"))
        await process.end(signal.SIGKILL)
        await process.start()

        own, default = await asyncio.gather(
            seconds_to_stop(client, "stubborn-1"), seconds_to_stop(client, "stubborn-2")
        )

        assert own >= 3
        assert GRACE_SECONDS <= default < own
        assert process.processes("stubborn-1") == process.processes("stubborn-2") == set()


async def test_what_cannot_be_followed_is_refused(krane: Krane) -> None:
    wanted = spec("refused-1", krane.image)

    with pytest.raises(Invalid, match="port is 65536: use 1 to 65535"):
        await krane.client.create(with_run(wanted, port=65536))
    with pytest.raises(Invalid, match="stop_seconds is 301: use 1 to 300"):
        await krane.client.create(with_run(wanted, stop_seconds=301))
    with pytest.raises(Invalid, match="command names no program"):
        await krane.client.create(with_run(wanted, command=("",)))
    assert await krane.client.get(NAMESPACE, "refused-1") is None


async def seconds_to_stop(client: KraneClient, deployment_id: str) -> float:
    """How long an instance lasts once it is asked to end."""
    asked = time.monotonic()
    await client.stop(NAMESPACE, deployment_id)
    return time.monotonic() - asked
