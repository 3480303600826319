import pytest

from services.db.clock import now_ms
from services.db.engine import Database
from services.db.operations import record_operation
from services.db.retention import find_surplus
from services.db.tables import Deployment, Domain, Project
from services.domain.routing_plan import RoutingPlan
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from tests.builders import add_deployment, add_project


@pytest.fixture
async def project(database: Database) -> Project:
    return await add_project(database)


async def point(database: Database, deployment: Deployment, sticky: Sticky) -> None:
    async with database.write() as session:
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


async def make_live(database: Database, deployment: Deployment) -> None:
    async with database.write() as session:
        project = await session.get_one(Project, deployment.project_id)
        plan = RoutingPlan(
            changes=(),
            held=(),
            live_before=project.live_deployment_id,
            live_after=deployment.id,
            rolled_back_before=False,
            rolled_back_after=False,
        )
        await record_operation(session, f"op_{deployment.id}", project.id, "assign", deployment.id, plan, 1)
        project.live_deployment_id = deployment.id


async def surplus(database: Database, deployment: Deployment, keep: int) -> list[str]:
    async with database.read() as session:
        return await find_surplus(
            session, deployment.project_id, deployment.environment_id, DeploymentStatus.READY, keep
        )


async def test_all_but_the_newest_are_surplus_oldest_first(database: Database, project: Project) -> None:
    deployments = [await add_deployment(database, project.id) for _ in range(4)]

    found = await surplus(database, deployments[0], keep=2)

    assert found == [deployments[0].id, deployments[1].id]


async def test_the_live_deployment_and_the_one_before_it_are_kept(database: Database, project: Project) -> None:
    deployments = [await add_deployment(database, project.id) for _ in range(5)]
    await make_live(database, deployments[0])
    await make_live(database, deployments[2])

    found = await surplus(database, deployments[0], keep=1)

    assert found == [deployments[1].id, deployments[3].id]


@pytest.mark.parametrize("sticky", [Sticky.BRANCH, Sticky.ENVIRONMENT, Sticky.LIVE])
async def test_what_a_domain_follows_is_kept(database: Database, project: Project, sticky: Sticky) -> None:
    deployments = [await add_deployment(database, project.id) for _ in range(3)]
    await point(database, deployments[0], sticky)

    assert await surplus(database, deployments[0], keep=1) == [deployments[1].id]


async def test_a_commit_domain_does_not_keep_its_deployment_running(database: Database, project: Project) -> None:
    deployments = [await add_deployment(database, project.id) for _ in range(2)]
    await point(database, deployments[0], Sticky.COMMIT)

    assert await surplus(database, deployments[0], keep=1) == [deployments[0].id]


async def test_environments_and_projects_are_kept_apart(database: Database, project: Project) -> None:
    production = await add_deployment(database, project.id)
    preview = await add_deployment(database, project.id, environment="preview")
    other = await add_deployment(database, (await add_project(database, "other")).id)

    assert await surplus(database, production, keep=0) == [production.id]
    assert await surplus(database, preview, keep=0) == [preview.id]
    assert await surplus(database, other, keep=0) == [other.id]


async def test_only_ready_deployments_are_surplus(database: Database, project: Project) -> None:
    statuses = sorted(set(DeploymentStatus) - {DeploymentStatus.READY})
    deployments = [await add_deployment(database, project.id, status=status) for status in statuses]

    assert await surplus(database, deployments[0], keep=0) == []
