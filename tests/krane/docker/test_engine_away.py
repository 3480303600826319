"""The engine dies under krane and comes back: weather for callers, nothing at all for instances."""

import os
import signal
from pathlib import Path

import pytest

from services.config import KraneBackend, KraneSettings
from services.domain.errors import Unavailable
from services.krane.backends.opening import open_backend
from services.krane.types import TaskStatus
from tests.krane.commands import PATIENT, begun, ended, go_on, task
from tests.krane.docker.engine_process import engine_process
from tests.krane.installation import DockerKind, serving
from tests.krane.support import NAMESPACE, healthy, instance_when


async def test_instances_outlive_a_killed_engine_and_are_looked_after_when_it_is_back(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, docker_socket: Path
) -> None:
    async with (
        engine_process(tmp_path_factory.mktemp("engine")) as engine,
        serving(DockerKind(engine.socket, python_base_image="none"), tmp_path) as krane,
    ):
        await krane.create("calm-1")
        await krane.create("gone-1")
        calm, gone = await healthy(krane.client, "calm-1"), await healthy(krane.client, "gone-1")
        calm_processes, gone_processes = krane.processes("calm-1"), krane.processes("gone-1")
        for task_id in ("calm-task", "gone-task"):
            await krane.client.start_task(task(task_id, krane.image, PATIENT))
        calm_task, gone_task = await begun(krane.client, "calm-task"), await begun(krane.client, "gone-task")

        await engine.end(signal.SIGKILL)
        for operation in (krane.client.stop, krane.client.delete, krane.client.logs):
            with pytest.raises(Unavailable, match="start the Docker Engine"):
                await operation(NAMESPACE, "calm-1")
        with pytest.raises(Unavailable, match="start the Docker Engine"):
            await krane.create("late-1")
        for process in gone_processes | gone_task:
            os.kill(process, signal.SIGKILL)
        await engine.start()

        again = await instance_when(krane.client, "gone-1", lambda i: i.healthy and i.restarts == 1)
        still = await healthy(krane.client, "calm-1")
        assert (again.address, again.exit_code) == (gone.address, None)
        assert (still.address, still.restarts) == (calm.address, 0)
        assert krane.processes("calm-1") == calm_processes
        go_on(calm_task)
        assert (await ended(krane.client, "calm-task")).log_lines == ("began", "went on")
        lost = await ended(krane.client, "gone-task")
        assert (lost.status, lost.exit_code) == (TaskStatus.FAILED, None)
        assert lost.reason.startswith("it was interrupted: it ended while the Docker Engine was away")
        await krane.create("late-1")
        for deployment_id in ("calm-1", "gone-1", "late-1"):
            await krane.client.delete(NAMESPACE, deployment_id)


async def test_krane_does_not_open_without_an_engine_and_says_what_to_do(tmp_path: Path) -> None:
    settings = KraneSettings(backend=KraneBackend.DOCKER, docker_socket=tmp_path / "absent.sock")

    with pytest.raises(Unavailable, match=r"absent\.sock: start the Docker Engine"):
        async with open_backend(tmp_path, settings):
            pass
