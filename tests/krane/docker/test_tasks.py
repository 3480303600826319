"""Tasks as containers: what they are given, and that none stays."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

from services.krane.types import TaskStatus
from tests.krane.commands import PATIENT, begun, ended, go_on, processes, task
from tests.krane.docker.support import container, containers
from tests.krane.installation import DockerKind, Krane, krane_process
from tests.krane.support import NAMESPACE


async def test_a_task_is_a_container_with_limits_and_without_ports_that_goes_when_it_has_ended(krane: Krane) -> None:
    wanted = task("contained-1", krane.image, PATIENT)
    await krane.client.start_task(wanted, {"TOKEN": "not-in-a-label"})
    pids = await begun(krane.client, "contained-1")

    found = await container(krane.kind, "contained-1-release")

    assert found["Config"]["Cmd"] == [*wanted.run.release_command]
    assert found["Config"]["Labels"]["interlock.task-id"] == "contained-1"
    assert "not-in-a-label" not in str(found["Config"]["Labels"])
    assert (found["HostConfig"]["Memory"], found["HostConfig"]["NanoCpus"]) == (128 << 20, 500_000_000)
    assert not found["HostConfig"]["PortBindings"]
    go_on(pids)
    await ended(krane.client, "contained-1")
    assert await containers(krane.kind, "contained-1-release") == []
    await krane.client.delete_task(NAMESPACE, "contained-1")


async def test_a_task_whose_container_was_killed_by_hand_failed_by_that_signal(krane: Krane) -> None:
    await krane.client.start_task(task("shot-1", krane.image, PATIENT))
    (pid,) = await begun(krane.client, "shot-1")

    os.kill(pid, signal.SIGKILL)

    state = await ended(krane.client, "shot-1")
    assert (state.status, state.reason) == (TaskStatus.FAILED, "it was ended by SIGKILL")
    await krane.client.delete_task(NAMESPACE, "shot-1")


async def test_a_running_task_is_found_again_when_kranes_folder_was_emptied(
    docker_kind: DockerKind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(docker_kind, tmp_path, unused_tcp_port) as (process, client):
        wanted = task("refound-1", await docker_kind.image(client), PATIENT)
        await client.start_task(wanted)
        pids = await begun(client, "refound-1")

        await process.end(signal.SIGKILL)
        await asyncio.to_thread(shutil.rmtree, tmp_path / "krane")
        await process.start()

        await client.start_task(wanted)
        assert processes("refound-1") == pids
        go_on(pids)
        assert (await ended(client, "refound-1")).status is TaskStatus.SUCCEEDED
