"""A live deployment that does not serve as it should is told within seconds, with the reason."""

import asyncio
import contextlib
import os
import signal
import time

import httpx
import pytest

from services.ctrl.enums import status_of
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import Project, eventually

pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)


async def told(project: Project, what: str, timeout: float = 10) -> pb.Attention:
    """Wait until the attention list has it."""

    async def look() -> pb.Attention | None:
        items = (await project.control.list_attention()).items
        return next((item for item in items if item.project == project.slug and what in item.what), None)

    return await eventually(look, f"attention to list what {what}", timeout=timeout)


async def test_a_live_deployment_that_crashes_again_and_again_is_told_with_code_restarts_and_last_lines(
    project: Project,
) -> None:
    deployed = await project.deploy("brief", "brief")
    assert status_of(deployed) == "ready"
    began = time.monotonic()

    item = await told(project, "does not stay up", timeout=15)

    # Its first run ends after two seconds.
    assert time.monotonic() - began < 2 + 10
    assert item.what == f"live deployment {deployed.id} does not stay up"
    assert item.why.startswith(f"{deployed.id}-0: it exited with code 5; restarts: ")
    assert list(item.log_lines)[-1:] == ["version brief behaves brief"]
    assert item.next == f"interlock logs {deployed.id}"
    listed = await asyncio.to_thread(project.stack.cli, "attention")
    assert (listed.returncode, "it exited with code 5" in listed.stdout) == (11, True)
    status = (await asyncio.to_thread(project.stack.cli, "status", "-p", project.slug)).stdout
    assert "does not stay up" in status
    assert "it exited with code 5" in status
    assert "ready, in trouble" in status
    shown = (await asyncio.to_thread(project.stack.cli, "show", deployed.id)).stdout
    assert "it exited with code 5" in shown
    logs = (await asyncio.to_thread(project.stack.cli, "logs", deployed.id)).stdout
    assert "because it exited with code 5" in logs


async def test_a_live_deployment_without_a_healthy_instance_is_told_with_the_probe(project: Project) -> None:
    deployed = await project.deploy("fickle", "fickle")
    assert status_of(deployed) == "ready"

    item = await told(project, "has no healthy instance")

    assert item.why == f"{deployed.id}-0: GET /healthz answered 500"
    status = (await asyncio.to_thread(project.stack.cli, "status", "-p", project.slug)).stdout
    assert "has no healthy instance" in status


async def test_an_instance_that_was_killed_for_memory_while_healthy_is_told_when_it_is_healthy_again(
    project: Project,
) -> None:
    deployed = await project.deploy("greedy", memory_mib=64)
    with contextlib.suppress(httpx.HTTPError):
        await project.stack.get(await project.hostname("live"), "/leak")

    item = await told(project, "ran out of memory")

    assert item.why.startswith(f"{deployed.id}-0: out of memory: ")
    assert item.why.endswith("; restarts: 1")

    async def serves() -> bool:
        return await project.answers("live") == "greedy"

    await eventually(serves, "the instance to be healthy again")
    for command in ("show", "logs"):
        assert "out of memory: " in (await asyncio.to_thread(project.stack.cli, command, deployed.id)).stdout
    assert "ran out of memory" in (await asyncio.to_thread(project.stack.cli, "attention")).stdout


async def test_a_frozen_only_instance_is_answered_for_at_once_and_told(project: Project) -> None:
    deployed = await project.deploy("still")
    processes = project.stack.instance_processes(deployed.id)
    for process in processes:
        os.kill(process, signal.SIGSTOP)

    item = await told(project, "has no healthy instance")
    began = time.monotonic()
    answer = await project.answers("live")

    assert answer == "503"
    assert time.monotonic() - began < 1
    assert "it is frozen" in item.why
    shown = await project.control.get_deployment(deployed.id)
    assert [(one.healthy, one.reason.partition(":")[0]) for one in shown.instances] == [(False, "it is frozen")]
    for process in processes:
        os.kill(process, signal.SIGCONT)

    async def serves() -> bool:
        return await project.answers("live") == "still"

    await eventually(serves, "the instance to go on")


async def test_the_result_warns_of_a_first_page_that_answers_5xx(project: Project) -> None:
    deployed = await project.deploy("broken", "broken")
    assert status_of(deployed) == "ready"

    watched = await asyncio.to_thread(project.stack.cli, "watch", deployed.id)

    live = await project.hostname("live")
    (warning,) = [line for line in watched.stdout.splitlines() if line.startswith("warning: ")]
    assert f"{live}:" in warning
    assert warning.endswith(f" answers 500: see `interlock logs {deployed.id}`")
    assert watched.returncode == 0


async def test_the_result_warns_of_a_deployment_without_a_health_path(project: Project) -> None:
    files = {"interlock.toml": '[start]\ncommand = ["python3", "app.py"]\n'}
    pathless = await project.deploy("pathless", source=await project.source("pathless", files=files))
    checked = await project.deploy("checked")

    watched = [await asyncio.to_thread(project.stack.cli, "watch", one.id) for one in (pathless, checked)]

    assert "warning: no health path: any open port counts as healthy" in watched[0].stdout
    assert "warning" not in watched[1].stdout
