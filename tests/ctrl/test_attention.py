from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete, update

from services.config import DeploySettings
from services.ctrl.attention import Scope, deadline, stuck_invocations
from services.ctrl.client import ControlClient
from services.db.clock import now_ms
from services.db.engine import Database
from services.db.gateways import register_gateway
from services.db.routes import next_revision
from services.db.tables import Deployment, DeploymentStep, Gateway, Instance
from services.durable.client import Invocation
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended, eventually, in_status

HOUR_MS = 3_600_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope(workspace="default", projects={"p_1": "shop"}, admin_url="http://127.0.0.1:9070", logs=Path("/data/logs"))


def invocation(status: str, *, quiet: timedelta = timedelta(0), last_failure: str = "") -> Invocation:
    return Invocation(
        id="inv_1",
        status=status,
        handler="Deploy",
        key="p_1",
        last_failure=last_failure,
        result="",
        progressed_at=NOW - quiet,
    )


@pytest.fixture
async def held(client: ControlClient, project: str) -> AsyncIterator[pb.Deployment]:
    """A deployment that is under way."""
    created = await client.create_deployment(
        pb.CreateDeploymentRequest(project=project, image=IMAGE, message="hold", branch="main")
    )
    await in_status(client, created.id, "building")
    yield await client.get_deployment(created.id)
    await client.cancel_deployment(created.id)
    await ended(client, created.id)


async def of_project(client: ControlClient, project: str) -> list[pb.Attention]:
    return [item for item in (await client.list_attention()).items if item.project == project]


async def test_what_goes_well_needs_nobody(client: ControlClient, project: str, held: pb.Deployment) -> None:
    assert await of_project(client, project) == []


async def test_a_paused_invocation_is_listed_with_the_command_that_resumes_it(
    installation: Installation, client: ControlClient, project: str, held: pb.Deployment
) -> None:
    url = f"{installation.restate.admin_url}/invocations/{held.invocation_id}"
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.patch(f"{url}/pause")).is_success

        async def is_listed() -> bool:
            return bool(await of_project(client, project))

        await eventually(is_listed, "the paused invocation to be listed")
        async with installation.client("neighbour") as other:
            assert not any(item.invocation_id for item in (await other.list_attention()).items)
        (item,) = await of_project(client, project)
        assert item.what == "Deploy is paused and holds up its project"
        assert (item.deployment_id, item.invocation_id) == (held.id, held.invocation_id)
        assert item.next == f"curl -X PATCH {url}/resume"
        assert 0 < item.since_ms <= now_ms()

        assert (await http.patch(item.next.rpartition(" ")[2])).is_success
    assert await of_project(client, project) == []


def test_what_a_deployment_may_take_longer_for_moves_its_deadline() -> None:
    settings = DeploySettings(ready_timeout_seconds=60, release_timeout_seconds=100)

    plain, patient, released = (
        deadline(Deployment(run={"ready_seconds": ready_seconds, "release_command": command}), settings)
        for ready_seconds, command in ((0, []), (600, []), (0, ["./migrate"]))
    )

    assert patient - plain == timedelta(seconds=540)
    assert released - plain == timedelta(seconds=100)


async def test_a_deployment_beyond_its_deadline_is_listed(
    client: ControlClient, database: Database, project: str, held: pb.Deployment
) -> None:
    async with database.write() as session:
        began = update(DeploymentStep).where(DeploymentStep.deployment_id == held.id)
        await session.execute(began.values(started_at_ms=now_ms() - HOUR_MS))

    (item,) = await of_project(client, project)

    assert item.what == f"deployment {held.id} has not ended"
    assert "it is building" in item.why
    assert item.next == f"interlock cancel {held.id}"


async def test_a_failed_undo_is_listed_as_long_as_something_is_left(
    client: ControlClient, database: Database, project: str
) -> None:
    created = await client.create_deployment(
        pb.CreateDeploymentRequest(project=project, image=IMAGE, message="fail in build")
    )
    await ended(client, created.id)
    async with database.write() as session:
        failed = update(Deployment).where(Deployment.id == created.id)
        await session.execute(failed.values(failure="no; could not undo delete from krane: gone\nTraceback"))
        session.add(
            Instance(
                deployment_id=created.id, id="i", address="", status="running", healthy=True, updated_at_ms=now_ms()
            )
        )

    (item,) = await of_project(client, project)
    assert item.what == f"deployment {created.id} has left something behind"
    assert item.why == "no; could not undo delete from krane: gone"

    async with database.write() as session:
        await session.execute(delete(Instance).where(Instance.deployment_id == created.id))
    assert await of_project(client, project) == []


async def test_a_gateway_that_does_not_follow_is_listed(client: ControlClient, database: Database) -> None:
    async with database.write() as session:
        await register_gateway(session, "gw-asleep", "127.0.0.1:1")
        revision = await next_revision(session)

    items = (await client.list_attention()).items

    async with database.write() as session:
        await session.execute(delete(Gateway).where(Gateway.id == "gw-asleep"))
    lag = next(item for item in items if "gw-asleep" in item.what)
    assert lag.why == f"it has acknowledged routing revision 0 of {revision}"
    assert lag.next.endswith("/logs/gateway.log")


def test_a_retry_is_weather_for_a_minute_and_its_trace_is_never_shown() -> None:
    failure = "krane did not answer\nTraceback (most recent call last):\n  File ..."
    young = invocation("backing-off", quiet=timedelta(seconds=59), last_failure=failure)
    old = invocation("running", quiet=timedelta(seconds=61), last_failure=failure)

    assert stuck_invocations([young], [], NOW, SCOPE) == []
    (item,) = stuck_invocations([old], [], NOW, SCOPE)
    assert (item.what, item.why) == ("Deploy fails again and again", "krane did not answer")
    assert item.next == "curl -X PATCH http://127.0.0.1:9070/invocations/inv_1/cancel"


def test_an_invocation_that_waits_without_failing_needs_nobody() -> None:
    assert stuck_invocations([invocation("suspended", quiet=timedelta(hours=1))], [], NOW, SCOPE) == []
