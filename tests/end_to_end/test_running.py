"""One-off commands in the live image: output as it comes, the exit code, and nothing left behind."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from services.krane.client import KraneClient
from tests.end_to_end.stack import ROOT, Project, Stack, eventually

# No durable workflow is involved.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)

SLOW = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def assert_nothing_left(stack: Stack) -> None:
    async with KraneClient(stack.ready["krane_grpc"]) as krane:

        async def is_gone() -> bool:
            return not [task for task in await krane.list_tasks() if task.task_id.startswith("run_")]

        await eventually(is_gone, "the command to be removed")


async def test_a_command_finds_the_files_and_the_environment_of_live_and_its_exit_code_is_passed_on(
    project: Project,
) -> None:
    await project.control.set_secrets(project.slug, {"TOKEN": "hidden"})
    live = await project.deploy("one")
    script = (
        "import os, sys; print(open('VERSION').read(), os.environ['TOKEN']); print('oops', file=sys.stderr); exit(7)"
    )

    shown = project.stack.cli("run", project.slug, "--", "python3", "-c", script)
    by_id = project.stack.cli("run", live.id, "--", "python3", "-c", "print('-o', 'json')")
    failed = project.stack.cli("run", "-p", project.slug, "--", "no-such-program")

    assert (shown.returncode, sorted(shown.stdout.splitlines()), shown.stderr) == (7, ["one hidden", "oops"], "")
    assert (by_id.returncode, by_id.stdout) == (0, "-o json\n")
    assert failed.returncode != 0
    assert "no-such-program" in failed.stdout + failed.stderr
    await assert_nothing_left(project.stack)
    # A command is none of the deployment's.
    assert "oops" not in project.stack.cli("logs", live.id).stdout


async def test_a_command_that_takes_too_long_is_stopped(project: Project) -> None:
    await project.deploy("one")

    stopped = project.stack.cli("run", "-p", project.slug, "--timeout", "2s", "--", "python3", "-c", SLOW)

    assert stopped.returncode == 128 + signal.SIGTERM
    assert "took longer than 2 s" in stopped.stderr
    await assert_nothing_left(project.stack)


async def test_ctrl_c_ends_a_command_whose_output_has_come_already(project: Project) -> None:
    await project.deploy("one")
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "--ready-file", str(project.stack.ready_file)),
        *("run", project.slug, "--", "python3", "-c", SLOW),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert running.stdout is not None
    pid = int(await asyncio.wait_for(running.stdout.readline(), timeout=20))
    assert runs(pid)

    running.send_signal(signal.SIGINT)

    assert await asyncio.wait_for(running.wait(), timeout=20) == 130
    await assert_nothing_left(project.stack)
    assert not runs(pid)


async def test_a_command_needs_something_that_is_live(project: Project) -> None:
    refused = project.stack.cli("run", project.slug, "--", "true")
    nameless = project.stack.cli("run", project.slug)

    assert (refused.returncode, "has no live deployment" in refused.stderr) == (7, True)
    assert (nameless.returncode, "no project is named" in nameless.stderr) == (2, True), nameless.stderr
