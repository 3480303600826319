import pytest

from services.db.engine import Database
from services.db.step_log import DatabaseStepLog
from services.db.steps import end_open_steps, list_steps, note_step
from services.db.tables import Deployment
from tests.builders import add_deployment, add_project


@pytest.fixture
async def deployment(database: Database) -> Deployment:
    return await add_deployment(database, (await add_project(database)).id)


def step_log(database: Database, deployment_id: str, operation_id: str = "inv_1") -> DatabaseStepLog:
    return DatabaseStepLog(database, operation_id=operation_id, operation="deploy", deployment_id=deployment_id)


async def timeline(database: Database, deployment: Deployment) -> list[tuple[str, int, bool, str | None]]:
    """(name, position, has ended, error) of each step."""
    async with database.read() as session:
        rows = await list_steps(session, deployment.id)
    return [(row.name, row.position, row.ended_at_ms is not None, row.error) for row in rows]


async def test_a_step_is_open_until_it_ends(database: Database, deployment: Deployment) -> None:
    log = step_log(database, deployment.id)

    await log.begin("build")
    assert await timeline(database, deployment) == [("build", 1, False, None)]

    await log.end("build", None)
    assert await timeline(database, deployment) == [("build", 1, True, None)]


async def test_the_next_step_ends_the_one_before(database: Database, deployment: Deployment) -> None:
    log = step_log(database, deployment.id)

    await log.begin("poll until ready")
    await log.begin("scrape OpenAPI")

    assert await timeline(database, deployment) == [
        ("poll until ready", 1, True, None),
        ("scrape OpenAPI", 2, False, None),
    ]


async def test_a_step_that_is_tried_again_is_open_again_without_its_error(
    database: Database, deployment: Deployment
) -> None:
    log = step_log(database, deployment.id)
    await log.begin("build")
    await log.end("build", "krane does not answer")

    await log.begin("build")

    assert await timeline(database, deployment) == [("build", 1, False, None)]


async def test_a_failed_step_keeps_its_error(database: Database, deployment: Deployment) -> None:
    log = step_log(database, deployment.id)

    await log.begin("build")
    await log.end("build", "exit code 1")

    assert await timeline(database, deployment) == [("build", 1, True, "exit code 1")]


async def test_an_operation_that_failed_leaves_no_step_open_and_names_the_one_it_failed_in(
    database: Database, deployment: Deployment
) -> None:
    log = step_log(database, deployment.id)
    await log.begin("build")
    await log.end("build", None)
    await log.begin("poll until ready")

    async with database.write() as session:
        await end_open_steps(session, operation_id="inv_1", failed_step="poll until ready", error="gave up after 60 s")

    assert await timeline(database, deployment) == [
        ("build", 1, True, None),
        ("poll until ready", 2, True, "gave up after 60 s"),
    ]


async def test_operations_do_not_end_each_others_steps(database: Database, deployment: Deployment) -> None:
    await step_log(database, deployment.id, "inv_1").begin("build")

    await step_log(database, deployment.id, "inv_2").begin("check target instances")

    assert await timeline(database, deployment) == [
        ("build", 1, False, None),
        ("check target instances", 2, False, None),
    ]


async def test_steps_of_an_unknown_deployment_are_not_recorded_and_do_no_harm(
    database: Database, deployment: Deployment
) -> None:
    log = step_log(database, "d_missing")

    await log.begin("fetch metadata")
    await log.end("fetch metadata", "no such deployment")

    assert await timeline(database, deployment) == []


async def test_a_remark_stays_with_a_step_until_it_is_tried_again(database: Database, deployment: Deployment) -> None:
    log = step_log(database, deployment.id)
    await log.begin("build")
    async with database.write() as session:
        await note_step(session, operation_id="inv_1", name="build", note="from the cache")
    await log.end("build", None)

    async with database.read() as session:
        assert [(step.note, step.error) for step in await list_steps(session, deployment.id)] == [
            ("from the cache", None)
        ]

    await log.begin("build")

    async with database.read() as session:
        assert [step.note for step in await list_steps(session, deployment.id)] == [""]
