"""krane itself is killed, stopped and started again; it runs as a process of its own here."""

import signal
from pathlib import Path

import pytest

from services.domain.errors import Conflict
from services.domain.readiness import InstanceStatus
from services.krane.backends.opening import open_backend, stop_all
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Kind, krane_process
from tests.krane.support import (
    NAMESPACE,
    ask,
    healthy,
    instance_when,
    spec,
    state_of,
    tell,
)

pytestmark = pytest.mark.needs(Needs.RESTARTS)


async def test_instances_outlive_a_killed_krane_and_the_next_one_takes_them_over(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        image = await kind.image(client)
        for deployment_id in ("kept-1", "gone-1", "exits-1", "paused-1"):
            await client.create(spec(deployment_id, image))
        kept, gone = await healthy(client, "kept-1"), await healthy(client, "gone-1")
        await instance_when(client, "exits-1", lambda i: i.status is InstanceStatus.FAILED)
        await client.stop(NAMESPACE, "paused-1")
        await ask(kept, "/descend")

        await process.end(signal.SIGKILL)
        assert (await ask(kept, "/healthz")).status_code == 200
        await tell(gone, "/exit?code=3")
        await process.start()

        (adopted,) = (await state_of(client, "kept-1")).instances
        restarted = await instance_when(client, "gone-1", lambda i: i.healthy and i.restarts == 1)
        failed = (await state_of(client, "exits-1")).instances[0]
        assert (adopted.address, adopted.healthy, adopted.restarts) == (kept.address, True, 0)
        assert (restarted.exit_code, restarted.address) == (3, gone.address)
        assert (restarted.last_end, restarted.crashes) == ("it exited with code 3", 1)
        assert failed.reason == "it exited with code 1 before it was ever healthy"
        assert (await state_of(client, "paused-1")).instances[0].status is InstanceStatus.STOPPED
        await client.delete(NAMESPACE, "kept-1")
        assert process.processes("kept-1") == set()


async def test_stop_all_ends_every_process_and_the_next_krane_starts_them_again(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        image = await kind.image(client)
        await client.create(spec("back-1", image))
        await ask(await healthy(client, "back-1"), "/descend")

        assert await process.end(signal.SIGTERM) == 0
        assert len(process.processes("back-1")) == 3
        await stop_all(tmp_path, kind.settings)
        await stop_all(tmp_path, kind.settings)
        assert process.processes("back-1") == set()
        await process.start()

        assert (await healthy(client, "back-1")).restarts == 0


async def test_second_krane_on_the_same_state_is_refused(kind: Kind, tmp_path: Path) -> None:
    async with open_backend(tmp_path, kind.settings):
        with pytest.raises(Conflict, match="stop it first"):
            await stop_all(tmp_path, kind.settings, timeout_seconds=0.1)
