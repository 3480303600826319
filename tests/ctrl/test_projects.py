import pytest

from services.ctrl.client import ControlClient
from services.ctrl.enums import TRANSITION_KIND
from services.db.engine import Database
from services.db.gateways import register_gateway
from services.db.ids import new_id
from services.db.tables import Deployment, Domain
from services.domain.errors import Conflict, Invalid, NotFound
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import GATEWAY_PORT, IMAGE, Installation, ended


async def test_a_new_project_has_production_and_preview(client: ControlClient) -> None:
    project = await client.create_project("fresh")

    assert project.workspace == "default"
    assert [(e.slug, e.is_production) for e in project.environments] == [("production", True), ("preview", False)]
    assert project in (await client.list_projects()).projects


async def test_a_taken_slug_is_a_conflict_in_its_workspace_alone(
    installation: Installation, client: ControlClient, project: str
) -> None:
    with pytest.raises(Conflict, match=f"{project}.*another slug"):
        await client.create_project(project)

    async with installation.client("neighbour") as other:
        assert (await other.create_project(project)).workspace == "neighbour"


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "a--b", "a" * 41, "../etc", "a\n", "a'b", "фу"])
async def test_a_bad_slug_is_refused(client: ControlClient, slug: str) -> None:
    with pytest.raises(Invalid, match="slug"):
        await client.create_project(slug)


async def test_a_project_is_known_by_slug_and_id_and_to_its_workspace_alone(
    installation: Installation, client: ControlClient, project: str
) -> None:
    by_slug = await client.project_status(project)
    by_id = await client.project_status(by_slug.project.id)

    assert by_slug == by_id
    async with installation.client("stranger") as stranger:
        for name in (project, by_slug.project.id):
            with pytest.raises(NotFound, match="project create"):
                await stranger.project_status(name)
        assert not (await stranger.list_projects()).projects


async def test_status_shows_newest_deployments_domains_and_gateways(
    client: ControlClient, database: Database, project: str
) -> None:
    older = await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE))
    newer = await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE))
    await ended(client, older.id)
    await ended(client, newer.id)
    async with database.write() as session:
        await register_gateway(session, "gw-1", "127.0.0.1:1")
        deployment = await session.get_one(Deployment, newer.id)
        session.add(_live_domain(deployment, f"{project}.example"))

    status = await client.project_status(project)

    production, preview = status.environments
    assert production.latest.id == newer.id
    assert not preview.HasField("latest")
    assert [d.url for d in production.domains] == [f"http://{project}.example:{GATEWAY_PORT}/"]
    assert [gateway.id for gateway in status.gateways] == ["gw-1"]
    assert (await client.list_domains(project)).domains == production.domains
    assert (await client.get_deployment(newer.id)).domains == production.domains


def _live_domain(deployment: Deployment, hostname: str) -> Domain:
    return Domain(
        id=new_id("dom"),
        hostname=hostname,
        workspace_id=deployment.workspace_id,
        project_id=deployment.project_id,
        environment_id=deployment.environment_id,
        deployment_id=deployment.id,
        sticky="live",
        created_at_ms=1,
    )


async def test_who_created_a_deployment_is_kept_with_it(installation: Installation, project: str) -> None:
    async with installation.client() as client:
        client.actor = "alice"
        created = await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE))
        await ended(client, created.id)

        transitions = (await client.list_transitions(project)).transitions

    assert created.created_by == "alice"
    assert [
        (TRANSITION_KIND.decode(t.what), t.deployment_id, t.note)
        for t in transitions
        if TRANSITION_KIND.decode(t.what) == "created"
    ] == [("created", created.id, "by alice")]
