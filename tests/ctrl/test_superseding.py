"""A newer deployment takes the place of older ones of its environment and branch that have not begun."""

import pytest
from sqlalchemy import update

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.db.engine import Database
from services.db.tables import Deployment
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended, eventually, in_status

SERVICE = "hydra.v1.DeploymentService"


async def deploy(client: ControlClient, project: str, message: str = "ok", **fields: str) -> pb.Deployment:
    return await client.create_deployment(
        pb.CreateDeploymentRequest(project=project, image=IMAGE, message=message, **fields)  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture
async def running(client: ControlClient, project: str) -> pb.Deployment:
    """Holds the project's key, so that what comes after it queues."""
    deployment = await deploy(client, project, "hold")
    await in_status(client, deployment.id, "building")
    return deployment


async def test_a_newer_deployment_supersedes_those_that_have_not_begun(
    client: ControlClient, project: str, running: pb.Deployment
) -> None:
    older = [await deploy(client, project), await deploy(client, project)]
    newest = await deploy(client, project)

    for deployment, newer in zip(older, [older[1], newest], strict=True):
        superseded = await client.get_deployment(deployment.id)
        assert status_of(superseded) == "superseded"
        assert superseded.failure.reason.startswith(f"superseded by newer deployment {newer.id};")
        assert superseded.ended_at_ms >= superseded.created_at_ms
    assert status_of(await client.get_deployment(running.id)) == "building"
    await client.cancel_deployment(running.id)
    assert status_of(await ended(client, newest.id)) == "ready"


@pytest.mark.parametrize("difference", [{"branch": "other"}, {"environment": "preview"}])
async def test_another_branch_or_environment_supersedes_nothing(
    client: ControlClient, project: str, running: pb.Deployment, difference: dict[str, str]
) -> None:
    queued = await deploy(client, project, branch="main")
    other = await deploy(client, project, **({"branch": "main"} | difference))
    await client.cancel_deployment(running.id)

    assert status_of(await ended(client, queued.id)) == "ready"
    assert status_of(await ended(client, other.id)) == "ready"


async def test_another_project_supersedes_nothing(client: ControlClient, project: str, running: pb.Deployment) -> None:
    queued = await deploy(client, project)
    other = (await client.create_project(f"{project}-b")).slug

    await deploy(client, other)

    assert status_of(await client.get_deployment(queued.id)) == "pending"
    await client.cancel_deployment(running.id)


async def test_a_repeated_request_supersedes_nothing(
    client: ControlClient, project: str, running: pb.Deployment
) -> None:
    first = await deploy(client, project, idempotency_key="once", branch="main")
    newer = await deploy(client, project, branch="main")

    again = await deploy(client, project, idempotency_key="once", branch="main")

    assert (again.id, status_of(again)) == (first.id, "superseded")
    await client.cancel_deployment(running.id)
    assert status_of(await ended(client, newer.id)) == "ready"


async def test_what_queues_for_a_superseded_deployment_is_withdrawn(
    installation: Installation, client: ControlClient, project: str, running: pb.Deployment
) -> None:
    await deploy(client, project)
    newest = await deploy(client, project)

    await _only_queued(installation, running, newest)
    await client.cancel_deployment(running.id)


async def test_a_withdrawal_that_a_crash_cut_off_is_finished_by_the_next_ctrl(
    installation: Installation, client: ControlClient, database: Database, project: str, running: pb.Deployment
) -> None:
    older, newest = await deploy(client, project, branch="a"), await deploy(client, project, branch="b")
    await _handed_over(client, older.id, newest.id)
    installation.ctrl.kill()
    async with database.write() as session:
        rewrite = update(Deployment).where(Deployment.id == older.id).values(status="superseded")
        await session.execute(rewrite)

    installation.start_ctrl()

    await _only_queued(installation, running, newest)
    await client.cancel_deployment(running.id)


async def test_cancelling_a_superseded_deployment_changes_nothing(
    client: ControlClient, project: str, running: pb.Deployment
) -> None:
    older = await deploy(client, project)
    await deploy(client, project)

    response = await client.cancel_deployment(older.id, "too late")

    assert (response.cancelling, status_of(response.deployment)) == (False, "superseded")
    assert response.deployment.failure.reason.startswith("superseded by")
    await client.cancel_deployment(running.id)


async def _handed_over(client: ControlClient, *deployment_ids: str) -> None:
    async def all_have_invocations() -> bool:
        return all([(await client.get_deployment(i)).invocation_id for i in deployment_ids])

    await eventually(all_have_invocations, f"{deployment_ids} to be handed over")


async def _only_queued(installation: Installation, running: pb.Deployment, queued: pb.Deployment) -> None:
    """Wait until nothing else is left for the project's key, in Restate and in the database."""

    async def nothing_else() -> bool:
        async with installation.client() as client, _restate(installation) as restate:
            wanted = {(await client.get_deployment(d.id)).invocation_id for d in (running, queued)}
            unfinished = await restate.unfinished_invocations(SERVICE)
            listed = (await client.list_deployments(running.project_id)).deployments
        recorded = {d.invocation_id for d in listed if d.invocation_id}
        return {i.id for i in unfinished if i.key == running.project_id} == recorded == wanted

    await eventually(nothing_else, "the superseded invocation to be gone")


def _restate(installation: Installation) -> RestateClient:
    return RestateClient(installation.restate.ingress_url, installation.restate.admin_url)
