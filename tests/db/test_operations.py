"""Who was live before, over histories of routing operations as the ledger holds them."""

import pytest

from services.db.deployments import set_status
from services.db.engine import Database
from services.db.operations import previous_live_deployment, record_operation
from services.db.tables import Deployment, Project
from services.domain.routing_plan import RoutingPlan
from services.domain.status import DeploymentStatus
from tests.builders import add_deployment, add_project


class History:
    """A project whose live pointer moves."""

    def __init__(self, database: Database, project: Project) -> None:
        self._database = database
        self._project_id = project.id
        self._count = 0

    async def goes_live(self, deployment: Deployment, *, kind: str = "assign", is_undone: bool = False) -> None:
        """Live moves to the deployment; when undone, it moves back."""
        self._count += 1
        async with self._database.write() as session:
            project = await session.get_one(Project, self._project_id)
            plan = RoutingPlan(
                changes=(),
                held=(),
                live_before=project.live_deployment_id,
                live_after=deployment.id,
                rolled_back_before=False,
                rolled_back_after=False,
            )
            operation_id = f"{project.id}_{self._count}"
            await record_operation(
                session, operation_id, project.id, kind, deployment.id, plan, self._count, is_undone=is_undone
            )
            if not is_undone:
                project.live_deployment_id = deployment.id

    async def deploy(self, *, is_undone: bool = False) -> Deployment:
        deployment = await add_deployment(self._database, self._project_id)
        await self.goes_live(deployment, is_undone=is_undone)
        return deployment

    async def previous(self) -> str | None:
        async with self._database.read() as session:
            return await previous_live_deployment(session, self._project_id)


@pytest.fixture
async def history(database: Database) -> History:
    return History(database, await add_project(database))


async def test_before_the_second_deployment_nothing_was_live(history: History) -> None:
    assert await history.previous() is None

    await history.deploy()

    assert await history.previous() is None


async def test_each_deployment_goes_back_to_the_one_before(history: History) -> None:
    await history.deploy()
    second = await history.deploy()
    await history.deploy()

    assert await history.previous() == second.id


async def test_a_second_rollback_goes_further_back_and_not_to_where_the_first_came_from(history: History) -> None:
    first = await history.deploy()
    second = await history.deploy()
    await history.deploy()

    await history.goes_live(second, kind="rollback")
    assert await history.previous() == first.id

    await history.goes_live(first, kind="rollback")
    assert await history.previous() is None


async def test_after_a_promote_the_way_back_is_as_it_was(history: History) -> None:
    first = await history.deploy()
    second = await history.deploy()
    await history.goes_live(first, kind="rollback")

    await history.goes_live(second, kind="promote")

    assert await history.previous() == first.id


async def test_a_deployment_whose_routing_was_undone_was_never_live(history: History) -> None:
    first = await history.deploy()
    await history.deploy(is_undone=True)
    await history.deploy()

    assert await history.previous() == first.id


async def test_a_deployment_that_was_never_live_is_no_way_back(history: History, database: Database) -> None:
    first = await history.deploy()
    await add_deployment(database, first.project_id)
    await history.deploy()

    assert await history.previous() == first.id


async def test_after_a_promote_of_an_older_one_the_way_back_is_to_the_newer_one(history: History) -> None:
    first = await history.deploy()
    second = await history.deploy()
    third = await history.deploy()

    await history.goes_live(first, kind="promote")
    assert await history.previous() == third.id

    await history.goes_live(third, kind="rollback")
    assert await history.previous() == second.id


async def test_an_operation_that_did_not_move_live_does_not_count(history: History) -> None:
    first = await history.deploy()
    second = await history.deploy()

    await history.goes_live(second, kind="promote")

    assert await history.previous() == first.id


async def test_a_stopped_deployment_is_a_way_back_and_a_removed_one_is_not(
    history: History, database: Database
) -> None:
    first = await history.deploy()
    second = await history.deploy()
    await history.deploy()

    for status, expected in ((DeploymentStatus.STOPPED, second), (DeploymentStatus.REMOVED, first)):
        async with database.write() as session:
            await set_status(session, second.id, status)
        assert await history.previous() == expected.id


async def test_another_projects_history_does_not_count(history: History, database: Database) -> None:
    await history.deploy()
    await history.deploy()
    other = History(database, await add_project(database, "other"))

    await other.deploy()

    assert await other.previous() is None
