"""Images of a private registry through every real part: what is deployed stays, and a password is nowhere."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import grpc
import httpx
import pytest
from sqlalchemy import update

from services.ctrl.enums import START, status_of
from services.db.deployment_requests import DeploymentRequest, record_deployment
from services.db.tables import Deployment
from services.domain.errors import NotFound, PreconditionFailed, Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.hydra.v1 import deployment_pb2, deployment_pb2_grpc
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project, chunked, pack
from tests.krane.docker.registry import Registry, serving_registry
from tests.krane.docker_image import derive_image, ensure_image
from tests.registry_server import PASSWORD, USERNAME, RegistryServer


class Shop:
    """An app in the registry, of which releases are pushed under one tag."""

    def __init__(self, registry: RegistryServer, socket: Path, base: str) -> None:
        self.tag = f"{registry.host}/team/shop:1"
        self._registry = registry
        self._socket = socket
        self._base = base
        self._digests: set[str] = set()

    async def release(self, name: str) -> str:
        """Move the tag to an image that only the registry has; returns what it is from then on."""
        lines = [f"ENV RELEASE={name}"]
        await asyncio.to_thread(derive_image, self._socket, "interlock-test-shop:1", self._base, lines)
        digest = await asyncio.to_thread(self._registry.push, "interlock-test-shop:1", "team/shop:1")
        self._digests.add(digest)
        return self.pinned(digest)

    async def forget(self) -> None:
        """Have the engine forget every release."""
        for image in (self.tag, *map(self.pinned, self._digests)):
            await asyncio.to_thread(self._registry.forget, image)

    def pinned(self, digest: str) -> str:
        """The image of one digest."""
        return f"{self.tag.removesuffix(':1')}@{digest}"


@pytest.fixture
async def shop(registry: RegistryServer, docker_socket: Path) -> AsyncIterator[Shop]:
    """An app of which nothing is released yet."""
    shop = Shop(registry, docker_socket, await asyncio.to_thread(ensure_image, docker_socket))
    yield shop
    await shop.forget()


@pytest.fixture
async def project(docker_project: Project, registry: RegistryServer) -> AsyncIterator[Project]:
    """A project whose workspace may pull."""
    await docker_project.control.set_registry_credential(registry.host, USERNAME, PASSWORD)
    yield docker_project
    for credential in (await docker_project.control.list_registry_credentials()).credentials:
        await docker_project.control.remove_registry_credential(credential.registry)


async def test_rollback_goes_to_the_old_image_though_its_tag_moved_and_the_engine_lost_it(
    project: Project, shop: Shop
) -> None:
    first = await shop.release("one")
    asked = request(project, shop.tag, idempotency_key="once")
    old = await project.ended((await project.control.create_deployment(asked)).id)
    second = await shop.release("two")
    repeated = await project.control.create_deployment(asked)
    new = await deploy(project, shop.tag)

    assert (status_of(old), old.asked_image, old.image) == ("ready", shop.tag, first), old
    assert repeated.id == old.id
    assert (status_of(new), new.asked_image, new.image) == ("ready", shop.tag, second), new
    assert await released(project) == "two"

    await forget_in_krane(project, old)
    await shop.forget()
    moved = await project.control.rollback(project.slug)

    assert (moved.target_deployment_id, START.decode(moved.start)) == (old.id, "cold")
    assert await released(project) == "one"
    shown = project.stack.cli("show", old.id).stdout
    assert shop.tag in shown
    assert first in shown


async def test_what_cannot_be_pulled_is_refused_and_not_recorded(
    project: Project, shop: Shop, registry: RegistryServer
) -> None:
    await shop.release("one")

    with pytest.raises(PreconditionFailed, match="does not have it"):
        await deploy(project, f"{registry.host}/team/shop:2")
    async with serving_registry(Registry(architecture="riscv64")) as host:
        with pytest.raises(PreconditionFailed, match="was made for riscv64"):
            await deploy(project, f"{host}/app:1")
    with registry.away():
        with pytest.raises(Unavailable, match=f"image {shop.tag} cannot be pulled now"):
            await deploy(project, shop.tag)
        body = {"project": project.slug, "image": shop.tag}
        async with httpx.AsyncClient(base_url=project.stack.ready["ctrl"], trust_env=False) as http:
            answer = await http.post("/ctrl.v1.ControlService/CreateDeployment", json=body)
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    await project.control.set_registry_credential(registry.host, USERNAME, "wrong")
    with pytest.raises(PreconditionFailed, match="denies it"):
        await deploy(project, shop.tag)
    await project.control.remove_registry_credential(registry.host)
    with pytest.raises(PreconditionFailed, match="denies it"):
        await deploy(project, shop.tag)

    assert not (await project.control.list_deployments(project.slug)).deployments


async def test_a_repeat_is_answered_while_the_registry_is_away(
    project: Project, shop: Shop, registry: RegistryServer
) -> None:
    await shop.release("one")
    asked = request(project, shop.tag, idempotency_key="once")
    first = await project.control.create_deployment(asked)

    with registry.away():
        assert (await project.control.create_deployment(asked)).id == first.id
    await project.ended(first.id)


async def test_a_deploy_that_names_a_tag_resolves_it_in_a_step(project: Project, shop: Shop) -> None:
    first = await shop.release("one")
    deployment_id = await record_without_image(project)
    key = (("x-restate-key", project.id),)
    async with grpc.aio.insecure_channel(project.stack.ready["ctrl_grpc"]) as channel:
        stub = deployment_pb2_grpc.DeploymentServiceStub(channel)
        named = deployment_pb2.DeployRequest(deployment_id=deployment_id, docker_image=shop.tag)
        await stub.Deploy(named, metadata=key, timeout=60)
        again = await stub.Deploy(named, metadata=key, timeout=60)

    deployed = await project.control.get_deployment(deployment_id)
    assert again.status == status_of(deployed) == "ready"
    assert (deployed.asked_image, deployed.image) == (shop.tag, first)
    assert "resolve image" in [step.name for step in deployed.steps]


async def test_a_dockerfile_may_begin_with_a_private_image(project: Project, shop: Shop) -> None:
    await shop.release("base")
    folder = project.sources / "derived"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {shop.tag}\nENV RELEASE=derived\n")
    source = await project.control.upload_source(chunked(pack(folder)))

    built = await project.deploy("derived", source=source)

    assert status_of(built) == "ready", built
    assert await released(project) == "derived"


async def test_a_password_is_typed_or_piped_and_nowhere_to_be_found(
    docker_project: Project, shop: Shop, registry: RegistryServer
) -> None:
    project, stack = docker_project, docker_project.stack
    await shop.release("one")
    done = stack.cli("registry", "set", f"http://{registry.host}/", "--username", USERNAME, stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done
    deployed = await deploy(project, shop.tag)
    assert status_of(deployed) == "ready", deployed

    listed = stack.cli("registry", "ls")
    answers = [
        str(await project.control.list_registry_credentials()),
        str(await project.control.get_deployment(deployed.id)),
        str(await project.control.list_transitions(project.slug)),
        str(await project.control.logs(deployed.id, build=True)),
        *(text for process in (done, listed) for text in (process.stdout, process.stderr)),
        await stack.journal(deployed.invocation_id),
    ]

    assert registry.host in listed.stdout
    assert USERNAME in listed.stdout
    assert [answer for answer in answers if PASSWORD in answer] == []
    # The database, Restate's data, krane's files and every log included.
    files = [path for path in stack.data_dir.parent.rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []

    assert stack.cli("registry", "rm", registry.host).returncode == 0
    assert registry.host not in stack.cli("registry", "ls").stdout
    with pytest.raises(NotFound, match="no credential for"):
        await project.control.remove_registry_credential(registry.host)


def request(project: Project, image: str, *, idempotency_key: str = "") -> pb.CreateDeploymentRequest:
    """A deployment of an image in production."""
    return pb.CreateDeploymentRequest(
        project=project.slug, image=image, branch="main", memory_mib=128, idempotency_key=idempotency_key
    )


async def deploy(project: Project, image: str) -> pb.Deployment:
    """Create a deployment of an image and wait until it has ended."""
    return await project.ended((await project.control.create_deployment(request(project, image))).id)


async def released(project: Project) -> str:
    """The release that the project's live hostname answers from."""
    answer = await project.stack.get(await project.hostname("live"), "/context")
    return answer.json()["environment"]["RELEASE"]


async def forget_in_krane(project: Project, deployment: pb.Deployment) -> None:
    """Delete a deployment in krane behind everybody's back."""
    rows = await project.stack.sql("select workspace_id from deployments where id = :id", id=deployment.id)
    async with KraneClient(project.stack.ready["krane_grpc"]) as krane:
        await krane.delete(rows[0]["workspace_id"], deployment.id)


async def record_without_image(project: Project) -> str:
    """A pending deployment that says neither source nor image; the dispatcher takes it for handed over."""
    blank = DeploymentRequest(
        workspace="default",
        project=project.slug,
        environment="production",
        source=None,
        image=None,
        branch="main",
        commit_sha="",
        message="",
    )
    database = project.stack.database()
    async with database.write() as session:
        deployment_id = await record_deployment(session, blank, None)
        await session.flush()
        values = update(Deployment).where(Deployment.id == deployment_id).values(invocation_id="inv_elsewhere")
        await session.execute(values)
    await database.close()
    return deployment_id
