"""krane itself is killed, stopped and started again; it runs as a process of its own here."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.config import KraneSettings
from services.domain.errors import Conflict, Unavailable
from services.domain.readiness import InstanceStatus
from services.krane.backends.opening import open_backend, stop_all
from services.krane.client import KraneClient
from services.krane.types import BuildStatus
from tests.krane.conftest import APP
from tests.krane.support import (
    NAMESPACE,
    ask,
    build,
    build_ended,
    healthy,
    in_chunks,
    instance_when,
    pack_folder,
    processes_of,
    shims_of,
    slow_source,
    spec,
    state_of,
    tell,
    until,
)


class KraneProcess:
    """`python -m services.krane` on one data directory."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "INTERLOCK_DATA_DIR": str(self.data_dir),
            "INTERLOCK_KRANE__PORT": str(self.port),
            "INTERLOCK_KRANE__STOP_GRACE_SECONDS": "1",
        }
        with (self.data_dir / "krane.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.krane", env=environment, stderr=log
            )
        async with KraneClient(self.address) as client:
            await until(lambda: self._serves(client))

    async def _serves(self, client: KraneClient) -> bool:
        try:
            await client.list()
        except Unavailable:
            return False
        return True

    async def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


@asynccontextmanager
async def krane_process(data_dir: Path, port: int) -> AsyncGenerator[tuple[KraneProcess, KraneClient]]:
    process = KraneProcess(data_dir, port)
    await process.start()
    try:
        async with KraneClient(process.address) as client:
            yield process, client
    finally:
        await process.end(signal.SIGKILL)
        await stop_all(data_dir)
    assert shims_of(data_dir) == set()


async def test_instances_outlive_a_killed_krane_and_the_next_one_takes_them_over(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(tmp_path, unused_tcp_port) as (process, client):
        image = (await build(client, "app", pack_folder(APP))).image
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
        assert restarted.exit_code == 3
        assert failed.reason == "it exited with code 1 before it was ever healthy"
        assert (await state_of(client, "paused-1")).instances[0].status is InstanceStatus.STOPPED
        await client.delete(NAMESPACE, "kept-1")
        assert processes_of(tmp_path, "kept-1") == set()


async def test_stop_all_ends_every_process_and_the_next_krane_starts_them_again(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(tmp_path, unused_tcp_port) as (process, client):
        image = (await build(client, "app", pack_folder(APP))).image
        await client.create(spec("back-1", image))
        await ask(await healthy(client, "back-1"), "/descend")

        assert await process.end(signal.SIGTERM) == 0
        assert len(processes_of(tmp_path, "back-1")) == 3
        await stop_all(tmp_path)
        await stop_all(tmp_path)
        assert processes_of(tmp_path, "back-1") == set()
        await process.start()

        assert (await healthy(client, "back-1")).restarts == 0


async def test_build_dies_with_krane_and_the_next_krane_begins_it_anew(tmp_path: Path, unused_tcp_port: int) -> None:
    async with krane_process(tmp_path, unused_tcp_port) as (process, client):
        stored = await client.upload_source(in_chunks(slow_source("restarted")))
        await client.start_build(NAMESPACE, "slow", stored.source)
        await until(lambda: _installs(client))

        await process.end(signal.SIGKILL)
        await until(lambda: _nothing_left(tmp_path))
        await process.start()
        await until(lambda: _installs(client, times=2))
        await client.cancel_build(NAMESPACE, "slow")

        assert (await build_ended(client, "slow")).status is BuildStatus.CANCELLED
        assert shims_of(tmp_path) == set()


async def _installs(client: KraneClient, times: int = 1) -> bool:
    state = await client.get_build(NAMESPACE, "slow")
    return state is not None and state.log_lines.count("installing pyproject.toml") == times


async def _nothing_left(data_dir: Path) -> bool:
    return not shims_of(data_dir)


async def test_second_krane_on_the_same_state_is_refused(tmp_path: Path) -> None:
    async with open_backend(tmp_path, KraneSettings()):
        with pytest.raises(Conflict, match="stop it first"):
            await stop_all(tmp_path, timeout_seconds=0.1)


async def test_interrupted_create_and_upload_leave_nothing_for_the_next_krane(tmp_path: Path) -> None:
    half_made = tmp_path / "krane" / "deployments" / "half-1" / "instances" / "0"
    half_made.mkdir(parents=True)
    partial = tmp_path / "krane" / "sources" / "0123.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"half")

    async with open_backend(tmp_path, KraneSettings()) as backend:
        assert backend.deployments.in_namespace("") == []

    assert not half_made.exists()
    assert not partial.exists()
