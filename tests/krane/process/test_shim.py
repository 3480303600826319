"""The shim by itself: what no caller of krane can bring about on purpose."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from services.krane.backends.supervision.shim import ShimCommand, ShimState

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


def test_a_stop_between_fork_and_exec_is_not_lost(tmp_path: Path) -> None:
    state = _run(HASTY_STOP, tmp_path, "sleep", "60")

    assert state["is_ended"]
    assert state["exit_code"] == -signal.SIGTERM


def test_a_command_begins_with_no_signal_blocked(tmp_path: Path) -> None:
    state = _run(RUN, tmp_path, "grep", "SigBlk", "/proc/self/status")

    assert state["exit_code"] == 0
    assert int((tmp_path / "log").read_text().split()[-1], 16) == 0


def _run(program: str, folder: Path, *arguments: str) -> ShimState:
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
        wanted_port=None,
        dies_with_krane=True,
    )
    (folder / "command.json").write_text(json.dumps(command))
    subprocess.run([sys.executable, "-c", program, str(folder)], timeout=30, check=True)
    state: ShimState = json.loads((folder / "state.json").read_text())
    return state
