"""What deployments find in their environment: kept with each, brought back by a rollback, secret where it must be."""

import json
from pathlib import Path

import httpx
import pytest

from services.krane.client import KraneClient
from tests.end_to_end.stack import Project

# The workflows behind them have their own tests in both modes.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)

SECRET = "not-for-everybody-4711"


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

    assert moved.start == "cold"
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
        await journal(project, deployment.invocation_id),
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


async def journal(project: Project, invocation_id: str) -> str:
    """What Restate keeps of an invocation, as its SQL shows it."""
    query = {"query": f"select * from sys_journal where id = '{invocation_id}'"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{project.stack.ready['admin']}/query", json=query, headers={"accept": "application/json"}
        )
    rows = answer.raise_for_status().json()["rows"]
    assert any("create in krane" in str(row) for row in rows)
    return json.dumps(rows)


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
