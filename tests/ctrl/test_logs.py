"""Logs that are followed, over both doors, from a real krane."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select

from services.ctrl.client import ControlClient
from services.db.engine import Database
from services.db.tables import Deployment
from services.domain.errors import Invalid, NotFound, Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from tests.ctrl.installation import IMAGE, Installation, in_status
from tests.krane.support import in_chunks, pack

# Seconds for a stream to end.
PATIENCE = 30.0
SOURCE = pack({"Procfile": "web: python app.py", "app.py": "print('hello')\n"})
METHOD = "ctrl.v1.ControlService/FollowLogs"


@pytest.fixture
def krane(installation: Installation) -> Iterator[Installation]:
    """The installation, with a krane."""
    installation.start_krane()
    yield installation
    installation.stop_krane()


@pytest.fixture
async def held(client: ControlClient, project: str) -> str:
    """A deployment that goes on until it is cancelled."""
    request = pb.CreateDeploymentRequest(project=project, image=IMAGE, message="hold")
    deployment = await client.create_deployment(request)
    await in_status(client, deployment.id, "building")
    return deployment.id


async def start_build(krane: Installation, database: Database, deployment_id: str) -> None:
    async with database.read() as session:
        workspace_id = await session.scalar(select(Deployment.workspace_id).where(Deployment.id == deployment_id))
    assert workspace_id
    async with KraneClient(krane.krane_address) as direct:
        stored = await direct.upload_source(in_chunks(SOURCE))
        await direct.start_build(workspace_id, deployment_id, stored.source)


async def read(client: ControlClient, deployment_id: str, *, follow: bool = True) -> list[str]:
    request = pb.FollowLogsRequest(deployment_id=deployment_id, follow=follow, build=True)
    async with asyncio.timeout(PATIENCE):
        return [line.text async for line in client.follow_logs(request)]


async def test_a_deployment_is_followed_from_before_its_build_until_it_has_ended(
    krane: Installation, client: ControlClient, database: Database, held: str
) -> None:
    following = asyncio.create_task(read(client, held))

    await start_build(krane, database, held)
    request = pb.FollowLogsRequest(deployment_id=held, follow=True, build=True)
    async with asyncio.timeout(PATIENCE):
        async for line in client.follow_logs(request):
            if line.text.startswith("built "):
                break
    assert not following.done()
    await client.cancel_deployment(held)

    lines = await following
    assert lines[0] == "unpacking the source"
    assert lines[-1].startswith("built artifact@sha256:")
    assert lines == await read(client, held, follow=False)

    async with httpx.AsyncClient(base_url=krane.http_url) as http:
        body = {"deployment_id": held, "build": True, "follow": True}
        response = await http.post(f"/{METHOD}", json=body, timeout=PATIENCE)
    found = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [line["text"] for line in found] == lines
    assert all(int(line["at_ms"]) > 0 and line["instance_id"] == "" for line in found)


async def test_logs_of_another_workspace_are_not_found(installation: Installation, held: str) -> None:
    async with installation.client("stranger") as stranger, httpx.AsyncClient(base_url=installation.http_url) as http:
        response = await http.post(f"/{METHOD}", json={"deployment_id": held, "workspace": "stranger"})
        with pytest.raises(NotFound):
            await read(stranger, held)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_moment_before_all_times_is_refused(client: ControlClient, held: str) -> None:
    request = pb.FollowLogsRequest(deployment_id=held, since_ms=-1)

    with pytest.raises(Invalid, match="since_ms"):
        _ = [line async for line in client.follow_logs(request)]


async def test_without_krane_a_stream_is_broken_off(
    installation: Installation, client: ControlClient, held: str
) -> None:
    async with httpx.AsyncClient(base_url=installation.http_url) as http:
        response = await http.post(f"/{METHOD}", json={"deployment_id": held}, timeout=PATIENCE)

    assert json.loads(response.text)["code"] == "unavailable"
    with pytest.raises(Unavailable, match="krane"):
        await read(client, held)
