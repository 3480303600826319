"""Release commands: run once in the new image before it gets instances, and a failure leaves live alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.ctrl.enums import status_of
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project, eventually

# From the acknowledgement of a cancel.
CLEAN_SECONDS = 5.0
COMMAND = ["python3", "release.py"]
# Notes that it runs, and goes on until somebody lets it.
PATIENT = """
import os, pathlib, time
outside = pathlib.Path(os.environ["OUTSIDE"])
note = lambda line: outside.joinpath("notes").open("a").write(line + "\\n")
note("began")
while not outside.joinpath("go").exists():
    time.sleep(0.02)
note("ended")
"""
FAILING = "for number in range(60): print('line', number)\nraise SystemExit(7)\n"
QUICK = "import os\nprint('migrated with', os.environ['TOKEN'])\n" + PATIENT.replace("while not", "while False and not")


async def create(project: Project, outside: Path, script: str, **fields: Any) -> pb.Deployment:
    """A deployment whose release command is a Python program that knows a folder outside of interlock."""
    source = await project.source("released", files={"release.py": script})
    variables: Mapping[str, str] = {"OUTSIDE": str(outside)}
    return await project.create("released", source=source, release_command=COMMAND, variables=variables, **fields)


def notes(outside: Path) -> list[str]:
    file = outside / "notes"
    return file.read_text().splitlines() if file.exists() else []


async def began(outside: Path) -> None:
    async def look() -> bool:
        return bool(notes(outside))

    await eventually(look, "the release command to begin", timeout=60)


async def assert_gone(project: Project, deployment_id: str) -> None:
    """Nothing is left, in krane neither."""
    await project.assert_gone(deployment_id)
    async with KraneClient(project.stack.ready["krane_grpc"]) as krane:
        assert deployment_id not in {task.task_id for task in await krane.list_tasks()}


async def test_it_runs_once_with_the_environment_before_instances_are_made_and_not_with_a_rollback(
    project: Project, tmp_path: Path
) -> None:
    await project.control.set_secrets(project.slug, {"TOKEN": "a-secret"})
    first = await project.ended((await create(project, tmp_path, QUICK)).id)
    second = await project.deploy("second", commit="2222222")

    await project.control.rollback(project.slug, first.id)

    assert (status_of(first), status_of(second)) == ("ready", "ready"), first
    assert notes(tmp_path) == ["began", "ended"]
    steps = [step.name for step in first.steps]
    at = steps.index("start release command")
    assert steps[at - 1 : at + 3] == ["status deploying", "start release command", "release command", "create in krane"]
    lines = (await project.control.logs(first.id)).lines
    assert (lines[0].instance_id, lines[0].text) == (f"{first.id}-release", "migrated with a-secret")
    assert lines[1].instance_id == f"{first.id}-0"
    assert "release command" not in {step.name for step in second.steps}
    assert await project.answers("live") == "released"


@pytest.mark.parametrize("stack", ["normal"], indirect=True)
async def test_a_request_takes_away_what_project_and_source_release_and_a_rollback_keeps_it(project: Project) -> None:
    toml = '[start]\ncommand = ["python3", "app.py"]\n[release]\ncommand = ["python3", "-c", "raise SystemExit(7)"]\n'
    source = await project.source("without", files={"interlock.toml": toml})
    without = await project.deploy("without", source=source, no_release_command=True)
    await project.control.set_settings(project.slug, pb.RunSettings(no_release_command=True))
    newer = await project.deploy("newer", source=source, commit="2222222")
    await project.control.remove_settings(project.slug, ["release_command"])
    with_it = await project.deploy("with", source=source, commit="3333333")

    await project.control.rollback(project.slug, without.id)

    assert (status_of(without), status_of(newer), with_it.failure.step) == ("ready", "ready", "release command")
    again = await project.control.get_deployment(without.id)
    assert (again.is_live, again.release_command) == (True, [])
    assert not any("release" in step.name for step in [*again.steps, *newer.steps])


async def test_a_failure_fails_the_deployment_with_the_exit_code_and_its_last_lines(
    project: Project, tmp_path: Path
) -> None:
    good = await project.deploy("good", commit="2222222")

    failed = await project.ended((await create(project, tmp_path, FAILING)).id)

    assert status_of(failed) == "failed"
    assert failed.failure.step == "release command"
    assert failed.failure.reason == "the release command failed: it exited with code 7"
    assert list(failed.failure.log_lines) == [f"line {number}" for number in range(10, 60)]
    assert "create in krane" not in {step.name for step in failed.steps}
    await assert_gone(project, failed.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"


async def test_cancel_while_it_runs_ends_it_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    good = await project.deploy("good", commit="2222222")
    created = await create(project, tmp_path, PATIENT)
    await began(tmp_path)
    assert len(project.stack.instance_processes(created.id)) == 1

    assert (await project.control.cancel_deployment(created.id, "not wanted")).cancelling

    cancelled = await project.ended(created.id, timeout=CLEAN_SECONDS)
    assert (status_of(cancelled), cancelled.failure.step) == ("cancelled", "release command")
    await assert_gone(project, created.id)
    assert notes(tmp_path) == ["began"]
    assert await project.live() == good.id


@pytest.mark.parametrize("stack", ["normal"], indirect=True)
@pytest.mark.parametrize("part", ["endpoint", "krane", "restate"])
async def test_whatever_is_killed_while_it_runs_it_runs_exactly_once(
    project: Project, tmp_path: Path, part: str
) -> None:
    created = await create(project, tmp_path, PATIENT)
    await began(tmp_path)

    old = project.stack.kill(part)
    await project.stack.restarted(part, old)
    (tmp_path / "go").touch()

    assert status_of(await project.ended(created.id)) == "ready"
    assert notes(tmp_path) == ["began", "ended"]
    assert await project.answers("live") == "released"
