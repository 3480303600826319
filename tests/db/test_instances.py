import pytest

from services.db.engine import Database
from services.db.instances import delete_instances, list_instances, read_recorded, replace_recorded, upsert_instances
from services.db.routes import read_revision
from services.db.tables import Deployment, GatewayConfig
from services.domain.readiness import InstanceState
from tests.builders import add_deployment, add_project, running


@pytest.fixture
async def deployment(database: Database) -> Deployment:
    project = await add_project(database)
    return await add_deployment(database, project.id, healthy=False)


async def upsert(database: Database, deployment: Deployment, *instances: InstanceState) -> bool:
    async with database.write() as session:
        return await upsert_instances(session, deployment.id, instances)


async def recorded(database: Database, deployment: Deployment) -> dict[str, str]:
    """Address by instance id."""
    async with database.read() as session:
        return {row.id: row.address for row in await list_instances(session, deployment.id)}


async def revision(database: Database) -> int:
    async with database.read() as session:
        return await read_revision(session)


async def route(database: Database, deployment: Deployment) -> None:
    async with database.write() as session:
        session.add(GatewayConfig(hostname="api.example.com", deployment_id=deployment.id))


async def test_the_records_become_what_krane_reports(database: Database, deployment: Deployment) -> None:
    assert await upsert(database, deployment, running("i_1", "127.0.0.1:1"), running("i_2", "127.0.0.1:2"))
    assert await upsert(database, deployment, running("i_2", "127.0.0.1:3"), running("i_3", "127.0.0.1:4"))

    assert await recorded(database, deployment) == {"i_2": "127.0.0.1:3", "i_3": "127.0.0.1:4"}


async def test_the_same_report_twice_changes_nothing(database: Database, deployment: Deployment) -> None:
    await upsert(database, deployment, running("i_1"), running("i_2"))

    assert not await upsert(database, deployment, running("i_2"), running("i_1"))


async def test_an_instance_at_a_reused_address_leaves_the_other_deployments_row_alone(
    database: Database, deployment: Deployment
) -> None:
    other = await add_deployment(database, deployment.project_id, healthy=False)
    await upsert(database, deployment, running("i_1", "127.0.0.1:9000"))

    await upsert(database, other, running("i_1", "127.0.0.1:9000", healthy=False))
    await upsert(database, other, running("i_2", "127.0.0.1:9001"))

    assert await recorded(database, deployment) == {"i_1": "127.0.0.1:9000"}
    assert await recorded(database, other) == {"i_2": "127.0.0.1:9001"}


async def test_two_instances_at_one_address_are_two_rows(database: Database, deployment: Deployment) -> None:
    await upsert(database, deployment, running("i_1", "127.0.0.1:9000"), running("i_2", "127.0.0.1:9000"))

    assert set(await recorded(database, deployment)) == {"i_1", "i_2"}


async def test_gateways_must_follow_changes_of_what_they_serve_only(database: Database, deployment: Deployment) -> None:
    await upsert(database, deployment, running("i_1"))
    assert await revision(database) == 0

    await route(database, deployment)
    await upsert(database, deployment, running("i_1", healthy=False))
    assert await revision(database) == 1

    await upsert(database, deployment, running("i_1", healthy=False))
    assert await revision(database) == 1


async def test_gateways_must_follow_the_removal_of_what_they_serve(database: Database, deployment: Deployment) -> None:
    """Otherwise they go on sending requests to an address that somebody else may get."""
    await upsert(database, deployment, running("i_1"))
    await route(database, deployment)

    async with database.write() as session:
        await delete_instances(session, deployment.id)
    assert await recorded(database, deployment) == {}
    assert await revision(database) == 1

    async with database.write() as session:
        await delete_instances(session, deployment.id)
    assert await revision(database) == 1


async def test_records_are_replaced_only_while_they_are_as_they_were(
    database: Database, deployment: Deployment
) -> None:
    await upsert(database, deployment, running("i_1"))
    async with database.read() as session:
        before = (await read_recorded(session, [deployment.id]))[deployment.id]

    async with database.write() as session:
        assert await replace_recorded(session, deployment.id, before, [running("i_2")])
    async with database.write() as session:
        assert not await replace_recorded(session, deployment.id, before, [running("i_1")])

    assert set(await recorded(database, deployment)) == {"i_2"}
