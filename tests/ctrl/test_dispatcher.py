import asyncio

from services.ctrl.client import ControlClient
from services.ctrl.enums import status_of
from services.db.deployment_requests import DeploymentRequest, record_deployment
from services.db.engine import Database
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended


async def test_what_was_recorded_while_restate_was_away_is_handed_over_when_it_is_back(
    installation: Installation, client: ControlClient, project: str
) -> None:
    installation.restate.stop(keep_data=True)
    try:
        created = await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE))
    finally:
        installation.restate.start()

    assert status_of(created) == "pending"
    assert status_of(await ended(client, created.id)) == "ready"


async def test_what_a_crashed_ctrl_had_recorded_is_handed_over_by_the_next(
    installation: Installation, client: ControlClient, database: Database, project: str
) -> None:
    installation.ctrl.kill()
    try:
        async with database.write() as session:
            deployment_id = await record_deployment(session, _request(project), None)
    finally:
        await asyncio.to_thread(installation.start_ctrl)

    assert status_of(await ended(client, deployment_id)) == "ready"


async def test_ctrl_stops_cleanly_when_told_to(installation: Installation) -> None:
    try:
        assert await asyncio.to_thread(installation.ctrl.stop) == 0
    finally:
        await asyncio.to_thread(installation.start_ctrl)


def _request(project: str) -> DeploymentRequest:
    return DeploymentRequest(
        workspace="default",
        project=project,
        environment="production",
        source=None,
        image=IMAGE,
        branch="main",
        commit_sha="",
        message="",
    )
