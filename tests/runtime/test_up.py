"""`interlock up` as a whole: a real process with all its real parts."""

import os
import signal
from pathlib import Path

import pytest

from services.runtime.demo.installation import Installation
from services.runtime.health import answers_ok, serves_grpc
from services.runtime.lock import hold_data_dir
from services.runtime.up import run
from tests.runtime.processes import is_running, until

PARTS = {"restate", "krane", "gateway", "envoy", "endpoint", "ctrl"}


def test_a_second_up_on_the_same_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hold_data_dir(tmp_path):
        assert run(tmp_path, True, None) == 1

    said = " ".join(capsys.readouterr().err.split())
    assert f"(pid {os.getpid()})" in said
    assert "choose another --data-dir" in said


def test_the_data_directory_is_free_again_after_its_holder(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_data_dir(tmp_path):
            pass


@pytest.mark.restate
@pytest.mark.envoy
async def test_a_whole_installation_starts_heals_and_stops_without_a_trace(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    try:
        first = await installation.start()
        assert set(first.pids) == PARTS
        assert (tmp_path / "data" / "ready.json").read_bytes() == (tmp_path / "ready.json").read_bytes()
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert await answers_ok(
            f"{first.admin}/health", f"{first.ingress}/restate/health", f"{first.envoy_admin}/ready"
        )
        assert await serves_grpc(first.ctrl_grpc)
        assert await serves_grpc(first.krane_grpc)

        os.kill(first.pids["endpoint"], signal.SIGKILL)
        await until(lambda: installation.ready().pids["endpoint"] != first.pids["endpoint"])
        healed = installation.ready()
    finally:
        await installation.stop()

    assert not (tmp_path / "ready.json").exists()
    assert not (tmp_path / "data" / "ready.json").exists()
    assert not any(is_running(pid) for pid in healed.pids.values())


@pytest.mark.restate
@pytest.mark.envoy
async def test_an_installation_that_is_killed_takes_its_parts_along_and_comes_back_where_it_was(tmp_path: Path) -> None:
    before = await Installation(tmp_path).start()

    os.kill(int((tmp_path / "data" / "up.lock").read_text()), signal.SIGKILL)
    await until(lambda: not any(is_running(pid) for pid in before.pids.values()))
    (tmp_path / "ready.json").unlink()
    again = Installation(tmp_path)
    try:
        after = await again.start()
    finally:
        await again.stop()

    assert after.model_copy(update={"pids": before.pids}) == before
