import pytest
from sqlalchemy import update

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.db.engine import Database
from services.db.tables import Deployment
from services.domain.errors import Invalid, PreconditionFailed
from services.durable.client import RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended, eventually, in_status


async def deploy(client: ControlClient, project: str, message: str = "hold") -> pb.Deployment:
    return await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE, message=message))


async def handed_over(client: ControlClient, deployment_id: str) -> None:
    async def has_invocation() -> bool:
        return bool((await client.get_deployment(deployment_id)).invocation_id)

    await eventually(has_invocation, f"{deployment_id} to be handed over")


async def running_and_queued(client: ControlClient, project: str) -> tuple[pb.Deployment, pb.Deployment]:
    running = await deploy(client, project)
    await in_status(client, running.id, "building")
    queued = await deploy(client, project)
    await handed_over(client, queued.id)
    return running, queued


async def test_a_running_deployment_unwinds_and_keeps_the_reason(client: ControlClient, project: str) -> None:
    deployment = await deploy(client, project)
    await in_status(client, deployment.id, "building")

    response = await client.cancel_deployment(deployment.id, "wrong branch")

    assert response.cancelling
    cancelled = await ended(client, deployment.id)
    assert (status_of(cancelled), cancelled.failure.reason) == ("cancelled", "wrong branch")


async def test_a_queued_deployment_is_settled_at_once(client: ControlClient, project: str) -> None:
    running, queued = await running_and_queued(client, project)

    response = await client.cancel_deployment(queued.id)

    assert response.cancelling
    assert (status_of(response.deployment), response.deployment.failure.reason) == ("cancelled", "cancelled on request")
    assert response.deployment.ended_at_ms
    assert status_of(await client.get_deployment(running.id)) == "building"
    await client.cancel_deployment(running.id)
    await ended(client, running.id)


async def test_a_deployment_that_was_never_handed_over_is_settled_and_stays_so(
    installation: Installation, client: ControlClient, project: str
) -> None:
    installation.restate.stop(keep_data=True)
    try:
        deployment = await deploy(client, project, "ok")
        response = await client.cancel_deployment(deployment.id)
    finally:
        installation.restate.start()

    assert (response.cancelling, status_of(response.deployment)) == (True, "cancelled")
    later = await deploy(client, project, "ok")
    assert status_of(await ended(client, later.id)) == "ready"
    assert not (await client.get_deployment(deployment.id)).invocation_id


async def test_cancelling_what_has_ended_changes_nothing(client: ControlClient, project: str) -> None:
    deployment = await deploy(client, project, "ok")
    before = await ended(client, deployment.id)

    response = await client.cancel_deployment(deployment.id)

    assert (response.cancelling, response.deployment) == (False, before)


async def test_cancelling_twice_is_cancelling_once_for_the_first_reason(client: ControlClient, project: str) -> None:
    deployment = await deploy(client, project)
    await in_status(client, deployment.id, "building")

    await client.cancel_deployment(deployment.id, "first")
    await client.cancel_deployment(deployment.id, "second")

    cancelled = await ended(client, deployment.id)
    assert (status_of(cancelled), cancelled.failure.reason) == ("cancelled", "first")


async def test_who_cancelled_is_kept_with_the_reason(installation: Installation, project: str) -> None:
    async with ControlClient(installation.grpc_address, actor="alice") as alice:
        deployment = await deploy(alice, project)
        await in_status(alice, deployment.id, "building")

        await alice.cancel_deployment(deployment.id, "wrong branch")

        assert (await ended(alice, deployment.id)).failure.reason == "by alice: wrong branch"


@pytest.mark.parametrize("actor", ["a" * 65, "a\nb", "a\x1b[2J"])
async def test_an_actor_is_one_short_line(
    client: ControlClient, installation: Installation, project: str, actor: str
) -> None:
    deployment = await deploy(client, project, "ok")

    async with ControlClient(installation.grpc_address, actor=actor) as badly_named:
        with pytest.raises(Invalid, match="actor is not usable"):
            await badly_named.cancel_deployment(deployment.id)


async def test_a_deployment_that_restate_has_forgotten_is_not_called_cancelled(
    client: ControlClient, database: Database, project: str
) -> None:
    running, queued = await running_and_queued(client, project)
    # A queued invocation leaves no trace in Restate when it is cancelled.
    await client.cancel_deployment(queued.id)
    await _rewrite(database, queued.id, status="building")

    with pytest.raises(PreconditionFailed, match="Restate does not know"):
        await client.cancel_deployment(queued.id)

    await client.cancel_deployment(running.id)


async def test_a_cancel_that_a_crash_cut_in_two_is_finished(
    installation: Installation, client: ControlClient, database: Database, project: str
) -> None:
    running, queued = await running_and_queued(client, project)

    await _rewrite(database, queued.id, cancel_reason="before the crash")
    async with RestateClient(installation.restate.ingress_url, installation.restate.admin_url) as restate:
        await restate.cancel((await client.get_deployment(queued.id)).invocation_id)

    cancelled = await ended(client, queued.id)
    assert (status_of(cancelled), cancelled.failure.reason) == ("cancelled", "before the crash")
    await client.cancel_deployment(running.id)


async def _rewrite(database: Database, deployment_id: str, **values: str) -> None:
    async with database.write() as session:
        await session.execute(update(Deployment).where(Deployment.id == deployment_id).values(**values))
