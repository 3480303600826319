import pytest

from services.db.deployments import (
    claim,
    fetch_candidate,
    fetch_metadata,
    fill_in,
    record_failure,
    set_source,
    set_status,
    store_openapi,
)
from services.db.engine import Database
from services.db.tables import Deployment, OpenapiDocument
from services.domain.errors import Conflict, NotFound
from services.domain.openapi import Document
from services.domain.status import DeploymentStatus
from tests.builders import add_deployment, add_project

S = DeploymentStatus


async def reload(database: Database, deployment: Deployment) -> Deployment:
    async with database.read() as session:
        return await session.get_one(Deployment, deployment.id)


async def pending(database: Database, *, invocation_id: str | None = None) -> Deployment:
    project = await add_project(database)
    return await add_deployment(database, project.id, status=S.PENDING, healthy=False, invocation_id=invocation_id)


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_metadata_names_the_deployments_workspace_project_and_environment(database: Database) -> None:
    deployment = await pending(database)

    async with database.read() as session:
        metadata = await fetch_metadata(session, deployment.project_id, deployment.id)

    assert (metadata.workspace_slug, metadata.project_slug, metadata.environment_slug) == ("acme", "api", "production")
    assert metadata.is_production
    assert metadata.status is S.PENDING


async def test_a_deployment_of_another_project_is_unknown(database: Database) -> None:
    deployment = await pending(database)
    other = await add_project(database, "other")

    async with database.read() as session:
        with pytest.raises(NotFound, match=deployment.id):
            await fetch_metadata(session, other.id, deployment.id)
        with pytest.raises(NotFound, match=deployment.id):
            await fetch_candidate(session, other.id, deployment.id)


# -- status ------------------------------------------------------------------------------------------------------------


async def test_a_claim_begins_a_pending_deployment_and_may_be_repeated(database: Database) -> None:
    deployment = await pending(database)

    for _ in range(2):
        async with database.write() as session:
            await claim(session, deployment.id, "inv_1")

    row = await reload(database, deployment)
    assert (row.status, row.invocation_id) == (S.BUILDING, "inv_1")


async def test_a_deployment_is_claimed_by_one_invocation_only(database: Database) -> None:
    deployment = await pending(database)
    async with database.write() as session:
        await claim(session, deployment.id, "inv_1")

    with pytest.raises(Conflict, match="already building"):
        async with database.write() as session:
            await claim(session, deployment.id, "inv_2")


@pytest.mark.parametrize("status", [S.READY, S.CANCELLED, S.STOPPED])
async def test_a_deployment_that_has_ended_is_not_claimed(database: Database, status: DeploymentStatus) -> None:
    project = await add_project(database)
    deployment = await add_deployment(database, project.id, status=status)

    with pytest.raises(Conflict, match=f"already {status}"):
        async with database.write() as session:
            await claim(session, deployment.id, "inv_1")


async def test_the_end_of_a_deployment_is_timed_once(database: Database) -> None:
    deployment = await pending(database)
    for status in (S.BUILDING, S.DEPLOYING, S.NETWORK):
        async with database.write() as session:
            await set_status(session, deployment.id, status)
    assert (await reload(database, deployment)).ended_at_ms is None

    async with database.write() as session:
        await set_status(session, deployment.id, S.READY)
    ended = (await reload(database, deployment)).ended_at_ms
    async with database.write() as session:
        await set_status(session, deployment.id, S.READY)

    assert ended is not None
    assert (await reload(database, deployment)).ended_at_ms == ended


async def test_a_status_cannot_be_skipped(database: Database) -> None:
    deployment = await pending(database)

    with pytest.raises(Conflict):
        async with database.write() as session:
            await set_status(session, deployment.id, S.READY)

    assert (await reload(database, deployment)).status == S.PENDING


# -- failure -----------------------------------------------------------------------------------------------------------


async def fail(database: Database, deployment: Deployment, operation_id: str, *, is_cancelled: bool = False) -> None:
    async with database.write() as session:
        await record_failure(
            session,
            deployment.project_id,
            deployment.id,
            operation_id,
            step="build",
            reason="it broke",
            log="last words",
            is_cancelled=is_cancelled,
        )


@pytest.mark.parametrize("invocation_id", [None, "inv_1"])
async def test_a_failure_says_where_and_why(database: Database, invocation_id: str | None) -> None:
    deployment = await pending(database, invocation_id=invocation_id)

    await fail(database, deployment, "inv_1")

    row = await reload(database, deployment)
    assert (row.status, row.failed_step, row.failure, row.failure_log) == (S.FAILED, "build", "it broke", "last words")
    assert row.ended_at_ms is not None


async def test_a_cancelled_deployment_keeps_the_reason_it_was_cancelled_for(database: Database) -> None:
    deployment = await pending(database, invocation_id="inv_1")
    async with database.write() as session:
        (await session.get_one(Deployment, deployment.id)).cancel_reason = "wrong branch"

    await fail(database, deployment, "inv_1", is_cancelled=True)

    row = await reload(database, deployment)
    assert (row.status, row.failure) == (S.CANCELLED, "wrong branch")


async def test_another_invocations_failure_does_not_touch_the_deployment(database: Database) -> None:
    deployment = await pending(database, invocation_id="inv_1")

    await fail(database, deployment, "inv_2")

    assert (await reload(database, deployment)).status == S.PENDING


@pytest.mark.parametrize("status", [S.READY, S.STOPPED, S.CANCELLED, S.SUPERSEDED])
async def test_a_deployment_that_has_ended_does_not_fail_any_more(database: Database, status: DeploymentStatus) -> None:
    project = await add_project(database)
    deployment = await add_deployment(database, project.id, status=status, invocation_id="inv_1")

    await fail(database, deployment, "inv_1")

    row = await reload(database, deployment)
    assert (row.status, row.failure) == (status, None)


async def test_a_failure_of_an_unknown_deployment_is_no_trouble(database: Database) -> None:
    deployment = await pending(database)
    deployment.id = "d_missing"

    await fail(database, deployment, "inv_1")


# -- what it is made of ------------------------------------------------------------------------------------------------


async def test_a_request_may_add_an_image_to_a_pending_deployment_and_repeat_it(database: Database) -> None:
    deployment = await pending(database)

    for _ in range(2):
        async with database.write() as session:
            await fill_in(session, deployment.project_id, deployment.id, "app@sha256:1")

    row = await reload(database, deployment)
    assert row.image == "app@sha256:1"


async def test_a_request_cannot_exchange_the_image(database: Database) -> None:
    deployment = await pending(database)
    async with database.write() as session:
        await fill_in(session, deployment.project_id, deployment.id, "app@sha256:1")

    with pytest.raises(Conflict, match="app@sha256:1"):
        async with database.write() as session:
            await fill_in(session, deployment.project_id, deployment.id, "app@sha256:2")


async def test_a_request_may_repeat_what_was_asked_for_and_what_it_meant(database: Database) -> None:
    deployment = await pending(database)
    async with database.write() as session:
        row = await session.get_one(Deployment, deployment.id)
        row.asked_image, row.image = "app:1", "app@sha256:1"

    for image in ("app:1", "app@sha256:1"):
        async with database.write() as session:
            await fill_in(session, deployment.project_id, deployment.id, image)

    row = await reload(database, deployment)
    assert (row.asked_image, row.image) == ("app:1", "app@sha256:1")


@pytest.mark.parametrize(("named", "kept"), [("", "trunk"), ("mine", "mine")])
async def test_a_default_branch_is_that_of_a_deployment_that_names_none(
    database: Database, named: str, kept: str
) -> None:
    deployment = await pending(database)
    async with database.write() as session:
        (await session.get_one(Deployment, deployment.id)).branch = named

    for _ in range(2):
        async with database.write() as session:
            await set_source(session, deployment.id, "source@sha256:a", "abcdef0", default_branch="trunk")

    found = await reload(database, deployment)
    assert (found.source, found.commit_sha, found.branch) == ("source@sha256:a", "abcdef0", kept)


async def test_a_document_that_two_deployments_serve_is_stored_once(database: Database) -> None:
    project = await add_project(database)
    deployments = [await add_deployment(database, project.id) for _ in range(2)]
    document = Document(digest="sha256:1", content=b"{}")

    for deployment in deployments:
        async with database.write() as session:
            await store_openapi(session, deployment.id, document)

    assert [(await reload(database, deployment)).openapi_digest for deployment in deployments] == ["sha256:1"] * 2
    async with database.read() as session:
        assert (await session.get_one(OpenapiDocument, "sha256:1")).content == b"{}"
