import pytest
from sqlalchemy import update

from services.db.clock import now_ms
from services.db.deployments import record_failure
from services.db.engine import Database
from services.db.instances import delete_instances
from services.db.operations import record_operation
from services.db.reconcile import list_needed_images, list_standing_operations, read_recorded
from services.db.tables import Deployment, Domain, Project
from services.domain.reconcile import Recorded
from services.domain.routing_plan import RoutingPlan
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from tests.builders import add_deployment, add_project

S = DeploymentStatus


@pytest.fixture
async def project(database: Database) -> Project:
    return await add_project(database)


async def recorded(database: Database, *ids: str) -> dict[str, Recorded]:
    async with database.read() as session:
        return {row.id: row for row in await read_recorded(session, ids)}


async def test_what_was_undone_is_read_only_while_something_names_it(database: Database, project: Project) -> None:
    clean = await add_deployment(database, project.id, status=S.FAILED, healthy=False)
    traced = await add_deployment(database, project.id, status=S.CANCELLED)
    ready = await add_deployment(database, project.id, healthy=False)

    assert set(await recorded(database)) == {traced.id, ready.id}
    assert set(await recorded(database, clean.id, "d_unknown")) == {clean.id, traced.id, ready.id}

    async with database.write() as session:
        await delete_instances(session, traced.id)
    assert set(await recorded(database)) == {ready.id}


async def test_followed_is_what_is_live_or_what_a_domain_that_follows_something_points_at(
    database: Database, project: Project
) -> None:
    live, branch, commit = [await add_deployment(database, project.id) for _ in range(3)]
    async with database.write() as session:
        await session.execute(update(Project).values(live_deployment_id=live.id))
        for deployment, sticky in ((branch, Sticky.BRANCH), (commit, Sticky.COMMIT)):
            session.add(
                Domain(
                    id=f"dom_{sticky}",
                    hostname=f"{sticky}.example.com",
                    workspace_id=deployment.workspace_id,
                    project_id=deployment.project_id,
                    environment_id=deployment.environment_id,
                    deployment_id=deployment.id,
                    sticky=sticky,
                    created_at_ms=now_ms(),
                )
            )

    rows = await recorded(database)

    assert {row.id for row in rows.values() if row.is_followed} == {live.id, branch.id}
    assert rows[commit.id].has_traces


async def test_images_are_needed_by_what_runs_may_run_again_or_has_not_ended(
    database: Database, project: Project
) -> None:
    for status in S:
        deployment = await add_deployment(database, project.id, status=status)
        async with database.write() as session:
            row = update(Deployment).where(Deployment.id == deployment.id)
            await session.execute(row.values(image=f"image {status}", source="source"))

    async with database.read() as session:
        needed = await list_needed_images(session)

    gone = {S.FAILED, S.CANCELLED, S.SUPERSEDED, S.REMOVED}
    assert needed == sorted({f"image {status}" for status in set(S) - gone} | {"source"})


async def test_standing_operations_are_undone_newest_first(database: Database, project: Project) -> None:
    deployment = await add_deployment(database, project.id)
    plan = RoutingPlan(
        changes=(), held=(), live_before=None, live_after=None, rolled_back_before=False, rolled_back_after=False
    )
    async with database.write() as session:
        for revision, is_undone in ((1, False), (2, True), (3, False)):
            await record_operation(
                session, f"op_{revision}", project.id, "assign", deployment.id, plan, revision, is_undone=is_undone
            )

    async with database.read() as session:
        assert list(await list_standing_operations(session, deployment.id)) == ["op_3", "op_1"]


async def test_a_cancelled_deployment_says_which_undos_failed(database: Database, project: Project) -> None:
    deployment = await add_deployment(database, project.id, status=S.DEPLOYING, invocation_id="inv_1")

    async with database.write() as session:
        await record_failure(
            session,
            project.id,
            deployment.id,
            "inv_1",
            step="create in krane",
            reason="cancelled",
            log="",
            is_cancelled=True,
            failed_undos=["delete from krane: no answer"],
        )

    async with database.read() as session:
        row = await session.get_one(Deployment, deployment.id)
    assert row.failure == "cancelled through Restate; could not undo delete from krane: no answer"
