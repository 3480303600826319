"""Variables and secrets of environments, and what deployments keep of them."""

import pytest
from sqlalchemy import select

from services.db.deployment_requests import DeploymentRequest, record_deployment
from services.db.deployments import record_probe, set_status
from services.db.engine import Database
from services.db.projects import find_environment, find_project
from services.db.recorded_environment import load_environment
from services.db.secrets import list_secrets, remove_secrets, set_secrets
from services.db.tables import Deployment, SecretVersion
from services.db.variables import list_variables, remove_variables, set_variables
from services.domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.domain.readiness import InstanceProbe, Probe
from services.domain.status import DeploymentStatus
from services.keyring import Sealed
from tests.builders import add_project


@pytest.fixture
async def environment(database: Database) -> str:
    """The production environment of project api in workspace acme."""
    await add_project(database)
    async with database.read() as session:
        return (await find_environment(session, await find_project(session, "acme", "api"), "production")).id


def sealed(content: bytes) -> Sealed:
    return Sealed(key_id="k_1", ciphertext=content)


async def set_all(database: Database, environment: str, variables: dict[str, str], **secrets: bytes) -> None:
    async with database.write() as session:
        await set_variables(session, environment, variables, updated_by="alice")
        contents = {name: sealed(content) for name, content in secrets.items()}
        await set_secrets(session, environment, contents, created_by="alice")


async def deploy(database: Database, branch: str = "main", **variables: str) -> str:
    request = DeploymentRequest(
        workspace="acme",
        project="api",
        environment="production",
        source=None,
        image="artifact@sha256:" + "a" * 64,
        branch=branch,
        commit_sha="",
        message="",
        variables=variables,
    )
    async with database.write() as session:
        return await record_deployment(session, request, None)


async def kept(database: Database, deployment_id: str) -> tuple[dict[str, str], dict[str, bytes]]:
    async with database.read() as session:
        recorded = await load_environment(session, deployment_id)
        return dict(recorded.variables), {row.name: row.ciphertext for row in recorded.secrets}


async def stored(database: Database) -> list[tuple[str, int]]:
    async with database.read() as session:
        return [
            (r.name, r.version) for r in await session.scalars(select(SecretVersion).order_by(SecretVersion.version))
        ]


async def test_a_deployment_keeps_what_was_set_when_it_was_recorded(database: Database, environment: str) -> None:
    await set_all(database, environment, {"MODE": "one"}, KEY=b"1")
    first = await deploy(database)

    await set_all(database, environment, {"MODE": "two", "MORE": "m"}, KEY=b"2")
    second = await deploy(database, branch="other")

    assert await kept(database, first) == ({"MODE": "one"}, {"KEY": b"1"})
    assert await kept(database, second) == ({"MODE": "two", "MORE": "m"}, {"KEY": b"2"})


async def test_what_was_requested_wins_over_variables_and_secrets(database: Database, environment: str) -> None:
    await set_all(database, environment, {"MODE": "one"}, KEY=b"1", OTHER=b"3")

    deployment = await deploy(database, MODE="mine", KEY="plain")

    assert await kept(database, deployment) == ({"MODE": "mine", "KEY": "plain"}, {"OTHER": b"3"})


async def test_what_is_removed_is_missing_from_the_next_deployment_only(database: Database, environment: str) -> None:
    await set_all(database, environment, {"MODE": "one"}, KEY=b"1")
    first = await deploy(database)

    async with database.write() as session:
        await remove_variables(session, environment, ["MODE"])
        await remove_secrets(session, environment, ["KEY"])

    assert await kept(database, await deploy(database, branch="other")) == ({}, {})
    assert await kept(database, first) == ({"MODE": "one"}, {"KEY": b"1"})


async def test_a_secret_version_goes_when_nothing_that_can_start_needs_it(database: Database, environment: str) -> None:
    await set_all(database, environment, {}, KEY=b"1")
    needed = await deploy(database)
    await set_all(database, environment, {}, KEY=b"2")
    await set_all(database, environment, {}, KEY=b"3")
    assert await stored(database) == [("KEY", 1), ("KEY", 3)]

    async with database.write() as session:
        (await session.get_one(Deployment, needed)).status = DeploymentStatus.FAILED
        await remove_secrets(session, environment, ["KEY"])

    assert await stored(database) == []
    with pytest.raises(PreconditionFailed, match="was removed"):
        await kept(database, needed)


async def test_a_name_is_a_variable_or_a_secret_and_never_both(database: Database, environment: str) -> None:
    await set_all(database, environment, {"MODE": "one"}, KEY=b"1")

    with pytest.raises(Conflict, match="MODE is a variable"):
        await set_all(database, environment, {}, MODE=b"1")
    with pytest.raises(Conflict, match="KEY is a secret"):
        await set_all(database, environment, {"KEY": "v"})


async def test_removing_what_is_not_set_removes_nothing(database: Database, environment: str) -> None:
    await set_all(database, environment, {"MODE": "one"}, KEY=b"1")

    with pytest.raises(NotFound, match="variable GONE is not set"):
        async with database.write() as session:
            await remove_variables(session, environment, ["MODE", "GONE"])
    with pytest.raises(NotFound, match="secret GONE is not set"):
        async with database.write() as session:
            await remove_secrets(session, environment, ["KEY", "GONE"])

    async with database.read() as session:
        assert [row.name for row in await list_variables(session, environment)] == ["MODE"]
        assert [row.name for row in await list_secrets(session, environment)] == ["KEY"]


async def test_variables_that_are_too_much_together_are_refused(database: Database, environment: str) -> None:
    await set_all(database, environment, {f"V{n}": "" for n in range(150)})

    with pytest.raises(Invalid, match="too many"):
        await set_all(database, environment, {f"W{n}": "" for n in range(51)})
    with pytest.raises(Invalid, match="too many"):
        await deploy(database, **{f"W{n}": "" for n in range(51)})


async def test_the_last_probe_is_kept_with_the_deployment(database: Database, environment: str) -> None:
    deployment = await deploy(database)

    async with database.write() as session:
        found = Probe(problem="GET /up answered 500", status_code=500, latency_ms=7, body="no")
        await record_probe(session, deployment, InstanceProbe(f"{deployment}-0", found))
        await set_status(session, deployment, DeploymentStatus.BUILDING)

    async with database.read() as session:
        assert (await session.get_one(Deployment, deployment)).last_probe == {
            "instance_id": f"{deployment}-0",
            "problem": "GET /up answered 500",
            "status_code": 500,
            "latency_ms": 7,
            "body": "no",
        }
