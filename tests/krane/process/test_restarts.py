"""What only the process backend promises when krane is killed: builds, and what lies in its folder."""

import signal
from pathlib import Path

from services.config import KraneSettings
from services.krane.backends.opening import open_backend
from services.krane.client import KraneClient
from services.krane.types import BuildStatus
from tests.krane.installation import ProcessKind, krane_process
from tests.krane.support import NAMESPACE, build_ended, in_chunks, shims_of, until


async def test_build_dies_with_krane_and_the_next_krane_begins_it_anew(
    process_kind: ProcessKind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(process_kind, tmp_path, unused_tcp_port) as (process, client):
        stored = await client.upload_source(in_chunks(process_kind.slow_source("restarted")))
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


async def test_interrupted_create_and_upload_leave_nothing_for_the_next_krane(tmp_path: Path) -> None:
    half_made = tmp_path / "krane" / "deployments" / "half-1" / "instances" / "0"
    half_made.mkdir(parents=True)
    partial = tmp_path / "krane" / "sources" / "0123.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"half")

    async with open_backend(tmp_path, KraneSettings()) as backend:
        assert await backend.deployments.list("") == []

    assert not half_made.exists()
    assert not partial.exists()
