"""What deployments find in their environment: kept with each, brought back by a rollback, secret where it must be."""

import json
import re
from pathlib import Path

import pytest

from services.ctrl.enums import START
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project

# The workflows behind them have their own tests in both modes.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)

SECRET = "not-for-everybody-4711"
MINE = ["python3", "-u", "app.py"]
INTERLOCK_TOML = """
[start]
command = ["python3", "app.py"]
stop_seconds = 2

[health]
path = "/healthz"

[resources]
replicas = 2
cpu_millicores = 333
memory_mib = 96

[env]
MODE = "source"
LEVEL = "source"
MINE = "source"
TOKEN = "source"
"""


async def environment(project: Project) -> dict[str, str]:
    """What the live deployment finds."""
    response = await project.stack.get(await project.hostname("live"), "/environment")
    found: dict[str, str] = response.json()
    return found


async def test_rollback_restores_the_environment_the_deployment_was_made_with(project: Project) -> None:
    await project.control.set_variables(project.slug, {"MODE": "one"})
    await project.control.set_secrets(project.slug, {"TOKEN": "first", "GONE": "still here"})
    old = await project.deploy("old")
    await project.control.set_variables(project.slug, {"MODE": "two"})
    await project.control.set_secrets(project.slug, {"TOKEN": "second"})
    await project.control.remove_secrets(project.slug, ["GONE"])
    await project.deploy("new", commit="2222222", variables={"EXTRA": "mine"})
    newer = await environment(project)
    # Gone from krane altogether: the start is as cold as it can be.
    await forget_in_krane(project, old.id)

    moved = await project.control.rollback(project.slug)

    assert START.decode(moved.start) == "cold"
    assert {name: newer.get(name) for name in ("MODE", "TOKEN", "GONE", "EXTRA")} == {
        "MODE": "two",
        "TOKEN": "second",
        "GONE": None,
        "EXTRA": "mine",
    }
    older = await environment(project)
    assert {name: older.get(name) for name in ("MODE", "TOKEN", "GONE", "EXTRA")} == {
        "MODE": "one",
        "TOKEN": "first",
        "GONE": "still here",
        "EXTRA": None,
    }


async def test_a_redeploy_runs_the_same_image_and_settings_with_todays_secrets(project: Project) -> None:
    await project.control.set_secrets(project.slug, {"TOKEN": "first"})
    await project.control.set_settings(project.slug, pb.RunSettings(memory_mib=128))
    first = await project.deploy("one", replicas=2, message="hello", variables={"MINE": "request"})
    await project.control.set_secrets(project.slug, {"TOKEN": "second"})
    await project.control.set_settings(project.slug, pb.RunSettings(memory_mib=256, stop_seconds=3))

    shown = project.stack.cli("redeploy", project.slug, "-o", "json")

    assert shown.returncode == 0, shown.stderr
    second = await project.control.get_deployment(await project.live())
    assert second.id != first.id
    assert (second.source, second.image, second.branch, second.commit) == (
        first.source,
        first.image,
        first.branch,
        first.commit,
    )
    assert (second.message, second.replicas, second.memory_mib, second.stop_seconds) == ("hello", 2, 128, 0)
    found = await environment(project)
    assert (found["TOKEN"], found.get("MINE")) == ("second", None)

    third = project.stack.cli("redeploy", first.id, "--env", "MINE=again", "-m", "once more", "-o", "json")

    assert third.returncode == 0, third.stderr
    assert (await environment(project))["MINE"] == "again"
    refused = project.stack.cli("redeploy", "nothing", "-p", project.slug)
    assert (refused.returncode, "name a project or the id of a deployment" in refused.stderr) == (2, True)


async def test_source_project_and_request_settle_each_setting_and_a_rollback_restores_them(project: Project) -> None:
    await project.control.set_variables(project.slug, {"LEVEL": "environment", "MINE": "environment"})
    await project.control.set_secrets(project.slug, {"TOKEN": "secret"})
    await project.control.set_settings(project.slug, pb.RunSettings(memory_mib=128, stop_seconds=3, command=["false"]))
    source = await project.source("old", files={"interlock.toml": INTERLOCK_TOML})
    old = await project.deploy("old", source=source, stop_seconds=4, command=MINE, variables={"MINE": "request"})
    await project.control.set_settings(project.slug, pb.RunSettings(memory_mib=160, replicas=1, health_path="/"))
    await project.control.remove_settings(project.slug, ["command"])
    new = await project.deploy("new", commit="2222222", release_command=["python3", "-c", "a = 1"])
    # Gone from krane altogether: what it runs again is what the row says.
    await forget_in_krane(project, old.id)

    moved = await project.control.rollback(project.slug)

    assert (old.replicas, old.cpu_millicores, old.memory_mib, old.health_path) == (2, 333, 128, "/healthz")
    assert (old.port, old.stop_seconds, old.release_command, old.command) == (0, 4, [], MINE)
    assert (new.replicas, new.cpu_millicores, new.memory_mib, new.health_path) == (1, 250, 160, "/")
    assert (new.port, new.stop_seconds, new.release_command) == (0, 3, ["python3", "-c", "a = 1"])
    assert START.decode(moved.start) == "cold"
    again = await project.control.get_deployment(old.id)
    assert [instance.healthy for instance in again.instances] == [True, True]
    found = await environment(project)
    assert {name: found.get(name) for name in ("MODE", "LEVEL", "MINE", "TOKEN")} == {
        "MODE": "source",
        "LEVEL": "environment",
        "MINE": "request",
        "TOKEN": "secret",
    }
    record = project.stack.data_dir / "krane" / "deployments" / old.id / "deployment.json"
    run = json.loads(record.read_text())["spec"]["run"]
    assert (run["replicas"], run["cpu_millicores"], run["memory_mib"], run["stop_seconds"]) == (2, 333, 128, 4)
    assert run["command"] == MINE
    assert run["health_path"] == "/healthz"
    assert re.search(r"^cpu millicores +333 *$", project.stack.cli("show", old.id).stdout, re.MULTILINE)


async def test_a_secret_is_nowhere_to_be_found(project: Project) -> None:
    await project.control.set_secrets(project.slug, {"TOKEN": SECRET})
    deployment = await project.deploy("one")
    assert (await environment(project))["TOKEN"] == SECRET

    answers = [
        str(await project.control.get_deployment(deployment.id)),
        str(await project.control.list_deployments(project.slug)),
        str(await project.control.list_secrets(project.slug)),
        str(await project.control.list_transitions(project.slug)),
        str(await project.control.logs(deployment.id, build=True)),
        project.stack.cli("show", deployment.id).stdout,
        await project.stack.journal(deployment.invocation_id),
        *arguments_of_all_processes(),
    ]

    assert [answer for answer in answers if SECRET in answer] == []
    own_folder = project.stack.data_dir / "krane" / "deployments" / deployment.id
    holders = [f for f in files(project.stack.data_dir.parent) if SECRET.encode() in f.read_bytes()]
    # The database, Restate's data and every log included; krane needs it to start an instance again.
    assert [f for f in holders if not f.is_relative_to(own_folder)] == []
    assert {f.stat().st_mode & 0o777 for f in holders} == {0o600}
    assert own_folder.parent.stat().st_mode & 0o777 == 0o700


async def forget_in_krane(project: Project, deployment_id: str) -> None:
    """Delete a deployment in krane behind everybody's back."""
    rows = await project.stack.sql("select workspace_id from deployments where id = :id", id=deployment_id)
    async with KraneClient(project.stack.ready["krane_grpc"]) as krane:
        await krane.delete(rows[0]["workspace_id"], deployment_id)


def arguments_of_all_processes() -> list[str]:
    """The command lines of everything that runs."""
    found: list[str] = []
    for process in Path("/proc").iterdir():
        try:
            found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return found


def files(folder: Path) -> list[Path]:
    """All files below a folder that are there, and no sockets."""
    return [path for path in folder.rglob("*") if path.is_file()]
