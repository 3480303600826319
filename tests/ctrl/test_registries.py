"""Credentials for private registries and git servers over the API."""

import httpx
import pytest

from services.ctrl.client import ControlClient
from services.db.engine import Database
from services.db.registry_credentials import find_credential, list_credentials_of, seal_context
from services.domain.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb
from services.keyring import Keyring, Sealed
from tests.ctrl.installation import Installation

PASSWORD = "not-for-everybody-4712"


async def test_of_a_credential_everything_but_the_password_is_told(
    client: ControlClient, installation: Installation
) -> None:
    client.actor = "alice"
    await client.set_registry_credential("ghcr.io", "first", "first")
    changed = await client.set_registry_credential("https://GHCR.io/v2/", "robot", PASSWORD)
    await client.set_registry_credential("index.docker.io", "hub", PASSWORD)

    listed = (await client.list_registry_credentials()).credentials

    assert [(c.registry, c.username, c.version, c.updated_by) for c in listed] == [
        ("docker.io", "hub", 1, "alice"),
        ("ghcr.io", "robot", 2, "alice"),
    ]
    assert changed.credential == listed[1]
    assert all(credential.updated_at_ms for credential in listed)
    async with httpx.AsyncClient(base_url=installation.http_url) as http:
        answer = await http.post("/ctrl.v1.ControlService/ListRegistryCredentials", json={})
    assert "robot" in answer.text
    assert PASSWORD not in answer.text
    files = [path for path in installation.folder.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


async def test_a_password_opens_for_its_own_registry_and_workspace_alone(
    client: ControlClient, installation: Installation, database: Database
) -> None:
    await client.set_registry_credential("quay.io", "robot", PASSWORD)
    async with database.read() as session:
        (row,) = [row for row in await list_credentials_of(session, "default") if row.host == "quay.io"]
        assert await find_credential(session, "ws_other", "quay.io") is None
    keyring, sealed = Keyring(installation.folder / "secrets"), Sealed(key_id=row.key_id, ciphertext=row.ciphertext)

    assert keyring.open(sealed, seal_context(row.workspace_id, "quay.io")) == PASSWORD
    for context in (seal_context(row.workspace_id, "ghcr.io"), seal_context("ws_other", "quay.io")):
        with pytest.raises(PreconditionFailed, match="set it again"):
            keyring.open(sealed, context)


async def test_credentials_are_a_workspaces_own_also_before_it_has_a_project(
    client: ControlClient, installation: Installation
) -> None:
    async with installation.client("umbrella-corp") as stranger:
        assert not (await stranger.list_registry_credentials()).credentials
        await stranger.set_registry_credential("localhost:5000", "robot", PASSWORD)
        with pytest.raises(NotFound, match="no credential for localhost:5000"):
            await client.remove_registry_credential("localhost:5000")
        await stranger.remove_registry_credential("http://localhost:5000/")

        assert not (await stranger.list_registry_credentials()).credentials


@pytest.mark.parametrize(
    ("registry", "username", "password"),
    [("", "a", "b"), ("ghcr.io/team", "a", "b"), ("ghcr.io", "", "b"), ("ghcr.io", "a:b", "b"), ("ghcr.io", "a", "")],
)
async def test_what_cannot_be_a_credential_is_refused(
    client: ControlClient, registry: str, username: str, password: str
) -> None:
    with pytest.raises(Invalid):
        await client.set_registry_credential(registry, username, password)


async def test_nothing_is_recorded_while_nobody_says_what_an_image_means(client: ControlClient, project: str) -> None:
    """krane does not run in this installation."""
    with pytest.raises(Unavailable, match="krane did not answer"):
        await client.create_deployment(pb.CreateDeploymentRequest(project=project, image="ghcr.io/team/app:1"))
    with pytest.raises(NotFound, match="has no environment 'nowhere'"):
        await client.create_deployment(
            pb.CreateDeploymentRequest(project=project, image="ghcr.io/team/app:1", environment="nowhere")
        )

    assert not (await client.list_deployments(project)).deployments
