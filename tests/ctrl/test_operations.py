import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import update

from services.ctrl.client import ControlClient
from services.ctrl.enums import START, status_of
from services.db.engine import Database
from services.db.tables import Project
from services.domain.errors import Invalid, NotFound, PreconditionFailed
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended, in_status


@dataclass(frozen=True, slots=True)
class Live:
    """A project with two ready deployments; the newer one is live."""

    project: str
    older: str
    newer: str


async def deploy(client: ControlClient, project: str, message: str = "", environment: str = "") -> str:
    request = pb.CreateDeploymentRequest(project=project, image=IMAGE, message=message, environment=environment)
    return (await client.create_deployment(request)).id


@pytest.fixture
async def live(client: ControlClient, database: Database, project: str) -> Live:
    """Live is routing's to write, which does not run here: set by hand."""
    older = await deploy(client, project)
    await ended(client, older)
    newer = await deploy(client, project)
    await ended(client, newer)
    async with database.write() as session:
        await session.execute(update(Project).where(Project.slug == project).values(live_deployment_id=newer))
    return Live(project, older, newer)


async def test_rollback_does_not_wait_for_running_and_queued_deployments(client: ControlClient, live: Live) -> None:
    running = await deploy(client, live.project, "hold")
    await in_status(client, running, "building")
    queued = await deploy(client, live.project, "hold")

    response = await client.rollback(live.project, live.older)

    assert (response.source_deployment_id, response.target_deployment_id) == (live.newer, live.older)
    assert list(response.domains) == ["moved.example"]
    assert list(response.preempted_deployment_ids) == [queued, running]
    for deployment_id in (running, queued):
        cancelled = await ended(client, deployment_id)
        assert (status_of(cancelled), cancelled.failure.reason) == (
            "cancelled",
            f"preempted by rollback to {live.older}",
        )


async def test_promote_preempts_too(client: ControlClient, live: Live) -> None:
    running = await deploy(client, live.project, "hold")
    await in_status(client, running, "building")

    response = await client.promote(live.project, live.older)

    assert (response.source_deployment_id, response.target_deployment_id) == ("d_before", live.older)
    assert START.decode(response.start) == "cold"
    assert list(response.preempted_deployment_ids) == [running]
    assert status_of(await ended(client, running)) == "cancelled"


async def test_without_preempting_an_operation_waits_behind_what_runs(client: ControlClient, live: Live) -> None:
    running = await deploy(client, live.project, "hold")
    await in_status(client, running, "building")

    waiting = asyncio.create_task(client.rollback(live.project, live.older, no_preempt=True))
    await asyncio.wait([waiting], timeout=0.5)
    assert not waiting.done()
    assert status_of(await client.get_deployment(running)) == "building"

    await client.cancel_deployment(running)
    response = await waiting
    # What is live when its turn comes decides where it rolls back from.
    assert (response.source_deployment_id, response.target_deployment_id) == ("", live.older)
    assert not response.preempted_deployment_ids


async def test_who_preempted_and_why_is_kept_with_what_was_cancelled(installation: Installation, live: Live) -> None:
    async with ControlClient(installation.grpc_address, actor="alice") as alice:
        running = await deploy(alice, live.project, "hold")
        await in_status(alice, running, "building")

        await alice.promote(live.project, live.older, reason="the newest leaks memory")

        reason = (await ended(alice, running)).failure.reason
    assert reason == f"preempted by promote of {live.older} (by alice: the newest leaks memory)"


async def test_a_dry_run_is_refused_as_the_operation_would_be(client: ControlClient, live: Live) -> None:
    with pytest.raises(PreconditionFailed, match="both source and target"):
        await client.rollback(live.project, live.newer, dry_run=True)
    with pytest.raises(PreconditionFailed, match="already live"):
        await client.promote(live.project, live.newer, dry_run=True)
    with pytest.raises(PreconditionFailed, match="no domain to move"):
        await client.rollback(live.project, live.older, dry_run=True)


async def test_a_repeated_rollback_answers_the_same_and_preempts_nothing(client: ControlClient, live: Live) -> None:
    first = await client.rollback(live.project, live.older, idempotency_key="k")
    running = await deploy(client, live.project, "hold")
    await in_status(client, running, "building")

    second = await client.rollback(live.project, live.older, idempotency_key="k")

    assert second == first
    assert status_of(await client.get_deployment(running)) == "building"
    await client.cancel_deployment(running)


async def test_what_would_be_refused_preempts_nothing(client: ControlClient, live: Live) -> None:
    preview = await deploy(client, live.project, environment="preview")
    await ended(client, preview)
    running = await deploy(client, live.project, "hold")
    await in_status(client, running, "building")

    with pytest.raises(PreconditionFailed, match="both source and target"):
        await client.rollback(live.project, live.newer)
    with pytest.raises(PreconditionFailed, match="another environment"):
        await client.rollback(live.project, preview)
    with pytest.raises(PreconditionFailed, match="not ready"):
        await client.rollback(live.project, running)
    with pytest.raises(PreconditionFailed, match="not in production"):
        await client.promote(live.project, preview)
    with pytest.raises(PreconditionFailed, match="already live"):
        await client.promote(live.project, live.newer)
    with pytest.raises(NotFound):
        await client.rollback(live.project, "d_unknown")

    assert status_of(await client.get_deployment(running)) == "building"
    await client.cancel_deployment(running)


async def test_a_project_without_live_has_nothing_to_roll_back(client: ControlClient, project: str) -> None:
    with pytest.raises(PreconditionFailed, match="no live deployment"):
        await client.rollback(project)


async def test_without_an_earlier_live_deployment_a_target_must_be_named(client: ControlClient, live: Live) -> None:
    with pytest.raises(PreconditionFailed, match="name a target"):
        await client.rollback(live.project)


async def test_another_projects_deployment_cannot_become_live(client: ControlClient, live: Live) -> None:
    other = (await client.create_project(f"{live.project}-b")).slug
    foreign = await deploy(client, other)
    await ended(client, foreign)

    with pytest.raises(NotFound, match=foreign):
        await client.rollback(live.project, foreign)
    with pytest.raises(NotFound, match=foreign):
        await client.promote(live.project, foreign)


@pytest.mark.parametrize("target", ["../x", "a b", "x" * 64])
async def test_a_target_must_be_an_id(client: ControlClient, live: Live, target: str) -> None:
    with pytest.raises(Invalid, match="target_deployment_id"):
        await client.rollback(live.project, target)
    with pytest.raises(Invalid, match="target_deployment_id"):
        await client.promote(live.project, target)
