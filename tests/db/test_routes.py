from services.db.engine import Database
from services.db.instances import upsert_instances
from services.db.routes import next_revision, read_revision, read_route_table
from services.db.tables import Deployment, GatewayConfig
from services.domain.readiness import InstanceState
from services.domain.routes import Route, RouteTable
from tests.builders import add_deployment, add_project, running


async def route(database: Database, hostname: str, deployment: Deployment) -> None:
    async with database.write() as session:
        await next_revision(session)
        session.add(GatewayConfig(hostname=hostname, deployment_id=deployment.id))


async def report(database: Database, deployment: Deployment, *instances: InstanceState) -> None:
    async with database.write() as session:
        await upsert_instances(session, deployment.id, instances)


async def table(database: Database) -> RouteTable:
    async with database.read() as session:
        return await read_route_table(session)


async def test_an_empty_installation_has_no_routes(database: Database) -> None:
    assert await table(database) == RouteTable(revision=0, routes=(), addresses={})


async def test_routes_are_sorted_and_lead_to_the_healthy_instances(database: Database) -> None:
    project = await add_project(database)
    deployment = await add_deployment(database, project.id, healthy=False)
    await report(
        database,
        deployment,
        running("i_2", "127.0.0.1:2"),
        running("i_1", "127.0.0.1:1"),
        running("i_3", "127.0.0.1:3", healthy=False),
        running("i_4", ""),
    )
    await route(database, "b.example.com", deployment)
    await route(database, "a.example.com", deployment)

    assert await table(database) == RouteTable(
        revision=2,
        routes=(
            Route(hostname="a.example.com", deployment_id=deployment.id),
            Route(hostname="b.example.com", deployment_id=deployment.id),
        ),
        addresses={deployment.id: ("127.0.0.1:1", "127.0.0.1:2")},
    )


async def test_a_routed_deployment_without_instances_is_listed_with_none(database: Database) -> None:
    deployment = await add_deployment(database, (await add_project(database)).id, healthy=False)
    await route(database, "a.example.com", deployment)

    assert (await table(database)).addresses == {deployment.id: ()}


async def test_when_no_instance_is_healthy_requests_still_go_where_one_may_be_back(database: Database) -> None:
    deployment = await add_deployment(database, (await add_project(database)).id, healthy=False)
    await report(
        database,
        deployment,
        running("i_1", "127.0.0.1:1", healthy=False),
        running("i_2", "127.0.0.1:2", healthy=False),
        running("i_3", "", healthy=False),
    )
    await route(database, "a.example.com", deployment)

    assert (await table(database)).addresses == {deployment.id: ("127.0.0.1:1", "127.0.0.1:2")}


async def test_what_is_not_routed_is_left_out(database: Database) -> None:
    project = await add_project(database)
    await add_deployment(database, project.id)

    found = await table(database)

    assert (found.routes, found.addresses) == ((), {})


async def test_every_counted_change_is_one_revision(database: Database) -> None:
    async with database.write() as session:
        assert [await next_revision(session) for _ in range(3)] == [1, 2, 3]

    async with database.read() as session:
        assert await read_revision(session) == 3
