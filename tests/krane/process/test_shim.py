"""The shim by itself: what no caller of krane can bring about on purpose."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from services.krane.backends.supervision.ending import Ending
from services.krane.backends.supervision.shim import ShimCommand, ShimState
from services.krane.backends.supervision.supervised import SupervisedProcess

RUN = """
import sys
from services.krane.backends.supervision import shim

shim.main(sys.argv[1])
"""
# Runs the shim with a command that is asked to end when it has been forked and is not executed yet.
HASTY_STOP = """
import os, signal, sys
from services.krane.backends.supervision import shim

shim_pid = os.getpid()
set_process_option = shim.set_process_option


def stop_the_fork(option, value):
    set_process_option(option, value)
    if os.getpid() != shim_pid:
        os.kill(os.getpid(), signal.SIGTERM)


shim.set_process_option = stop_the_fork
shim.main(sys.argv[1])
"""
# As written before commands had mounts, and ports had locks.
OLDER_COMMAND = {
    "run_id": "1f0c",
    "parent_pid": 4711,
    "arguments": ["python", "app.py", "--port=$PORT"],
    "environment": {"PATH": "/usr/bin:/bin"},
    "working_directory": "/data/krane/artifacts/ab/app",
    "log_path": "/data/krane/logs/acme/gone-1/gone-1-0.log",
    "log_file_bytes": 1048576,
    "log_files": 3,
    "memory_bytes": 134217728,
    "stop_grace_seconds": 1.0,
    "wanted_port": 36227,
    "dies_with_krane": False,
}
OLDER_STATE = {
    "run_id": "1f0c",
    "is_ended": True,
    "port": 36227,
    "exit_code": 3,
    "was_stopped": False,
    "reason": "",
}


def test_a_stop_between_fork_and_exec_is_not_lost(tmp_path: Path) -> None:
    state = _run(HASTY_STOP, tmp_path, "sleep", "60")

    assert state["is_ended"]
    assert state["exit_code"] == -signal.SIGTERM


def test_a_command_begins_with_no_signal_blocked(tmp_path: Path) -> None:
    state = _run(RUN, tmp_path, "grep", "SigBlk", "/proc/self/status")

    assert state["exit_code"] == 0
    assert int((tmp_path / "log").read_text().split()[-1], 16) == 0


def test_the_command_of_an_older_krane_finds_the_port_that_krane_holds_itself(tmp_path: Path) -> None:
    state = _run(RUN, tmp_path, "sh", "-c", "echo $PORT", wanted_port=40123)

    assert (state["exit_code"], state["port"]) == (0, 40123)
    assert (tmp_path / "log").read_text().split()[1] == "40123"


async def test_how_a_run_under_an_older_shim_ended_is_read(tmp_path: Path) -> None:
    (tmp_path / "command.json").write_text(json.dumps(OLDER_COMMAND))
    (tmp_path / "state.json").write_text(json.dumps(OLDER_STATE))

    process = SupervisedProcess(tmp_path)

    assert (process.port, process.may_have_begun) == (36227, True)
    assert not await process.is_started()
    assert await process.wait() == Ending(exit_code=3, was_stopped=False)


def _run(program: str, folder: Path, *arguments: str, wanted_port: int | None = None) -> ShimState:
    command = ShimCommand(
        run_id="run-1",
        parent_pid=os.getpid(),
        arguments=list(arguments),
        environment={"PATH": os.environ["PATH"]},
        working_directory=str(folder),
        log_path=str(folder / "log"),
        log_file_bytes=1024,
        log_files=1,
        memory_bytes=0,
        stop_grace_seconds=60.0,
        wanted_port=wanted_port,
        dies_with_krane=True,
    )
    (folder / "command.json").write_text(json.dumps(command))
    subprocess.run([sys.executable, "-c", program, str(folder)], timeout=30, check=True)
    state: ShimState = json.loads((folder / "state.json").read_text())
    return state
