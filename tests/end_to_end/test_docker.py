"""An installation on the docker backend: what is good goes live, what is bad ends in a sentence and leaves nothing."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.ctrl.enums import status_of
from services.domain.errors import Conflict, PreconditionFailed
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.backends.docker.containers import Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.shared.folders import Folders
from tests.end_to_end.conftest import QUICK
from tests.end_to_end.stack import ROOT, Project, Stack, chunked, eventually, pack
from tests.krane.docker.registry import Registry, serving_registry
from tests.krane.docker_image import ensure_base_image, ensure_node_image, import_image
from tests.krane.installation import DockerKind


@dataclass(frozen=True, slots=True)
class Docker:
    """The engine as an installation uses it."""

    kind: DockerKind
    data_dir: Path

    async def containers(self) -> set[str]:
        """The names of the installation's containers, without its prefix."""
        engine = Engine(self.kind.settings.docker_socket)
        found = await Containers(engine, Folders.under(self.data_dir)).all()
        await engine.close()
        return {name.split("-", 2)[2] for container in found for name in container.names}

    async def lose(self, deployment: pb.Deployment) -> None:
        """Remove the container of the first instance and the image, as by hand."""
        engine = Engine(self.kind.settings.docker_socket)
        containers = Containers(engine, Folders.under(self.data_dir))

        async def is_lost() -> bool:
            # krane may be quicker, and make another container.
            for found in await containers.of_instance(f"{deployment.id}-0"):
                await engine.remove_container(found.id)
            with contextlib.suppress(Conflict):
                await engine.remove_image(deployment.image)
            return await engine.inspect_image(deployment.image) is None

        await eventually(is_lost, "the image to be gone")
        await engine.close()

    async def images(self) -> set[str]:
        """The images that the installation built, what is half-made included."""
        return await self.kind.images(self.data_dir)


@pytest.fixture(scope="module")
async def docker(docker_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    """The engine that the installation uses."""
    base = await asyncio.to_thread(ensure_base_image, docker_socket)
    return Docker(DockerKind(docker_socket, base), tmp_path_factory.mktemp("docker") / "data")


@pytest.fixture(scope="module")
async def stack(docker: Docker) -> AsyncIterator[Stack]:
    """One installation for all tests here; nothing of it is left on the engine."""
    socket = docker.kind.settings.docker_socket
    environment = {
        "INTERLOCK_KRANE__BACKEND": "docker",
        "INTERLOCK_KRANE__DOCKER_SOCKET": str(socket),
        "INTERLOCK_KRANE__PYTHON_BASE_IMAGE": docker.kind.settings.python_base_image,
        "INTERLOCK_KRANE__NODE_BASE_IMAGE": await asyncio.to_thread(ensure_node_image, socket),
        "INTERLOCK_DEPLOY__RECONCILE_SECONDS": "1",
        "INTERLOCK_DEPLOY__RECONCILE_GRACE_SECONDS": "3",
        "INTERLOCK_DEPLOY__PRUNE_AFTER_SECONDS": "3",
    }
    stack = Stack(docker.data_dir, QUICK | environment)
    await asyncio.to_thread(stack.start)
    yield stack
    assert await asyncio.to_thread(stack.stop) == 0
    await docker.kind.end(docker.data_dir)


@dataclass(frozen=True, slots=True)
class Site:
    """A project with a live deployment that nothing may touch."""

    project: Project
    live: pb.Deployment

    async def deploy_image(self, image: str) -> pb.Deployment:
        """Deploy an image, and wait for the end."""
        request = pb.CreateDeploymentRequest(project=self.project.slug, environment="production", image=image)
        return await self.project.ended((await self.project.control.create_deployment(request)).id)

    async def assert_only_live_is_left(self, failed: pb.Deployment, docker: Docker) -> None:
        """Nothing is left of a deployment, and live answers."""
        assert status_of(failed) == "failed", failed
        await self.project.assert_gone(failed.id)
        assert not {name for name in await docker.containers() if failed.id in name}
        assert await self.project.live() == self.live.id
        assert await self.project.answers("live") == "good"


@pytest.fixture(scope="module")
async def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all bad input, so that it has to bear all of it."""
    async with stack.control() as control:
        created = await control.create_project("site")
        sources = tmp_path_factory.mktemp("sources")
        project = Project(stack=stack, control=control, id=created.id, slug=created.slug, sources=sources)
        live = await project.deploy("good")
        assert status_of(live) == "ready", live
        yield Site(project, live)


@pytest.mark.parametrize(
    ("example", "command"),
    [
        ("hello-python", ["python", "-c", "import os; print('released in', os.getcwd())"]),
        ("hello-node", ["node", "-p", "`released in ${process.cwd()}`"]),
    ],
)
async def test_an_example_without_a_dockerfile_is_built_once_and_live(
    project: Project, example: str, command: list[str]
) -> None:
    source = await project.control.upload_source(chunked(pack(ROOT / "examples" / example)))

    first = await project.deploy("1", source=source)
    again = await project.deploy("1", source=source, release_command=command)

    assert (status_of(first), status_of(again)) == ("ready", "ready"), (first, again)
    assert again.image == first.image
    line = (await project.control.logs(again.id)).lines[0]
    assert (line.instance_id, line.text) == (f"{again.id}-release", "released in /app")
    assert await project.answers("live") == "1"
    ran = project.stack.cli("run", project.slug, "--", *command)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "released in /app\n", "")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("late", "it exited with code 4 before it was ever healthy"),
        ("greedy", "out of memory: it may use 64 MiB before it was ever healthy"),
    ],
)
async def test_an_app_that_ends_before_it_is_healthy_fails_with_the_way_it_ended(
    site: Site, docker: Docker, behaviour: str, reason: str
) -> None:
    failed = await site.project.deploy("bad", behaviour, memory_mib=64)

    assert failed.failure.step == "poll until ready"
    assert reason in failed.failure.reason
    assert any(f"version bad behaves {behaviour}" in line for line in failed.failure.log_lines)
    await site.assert_only_live_is_left(failed, docker)


async def test_the_deadline_tells_an_app_that_is_slow_from_one_that_never_listens(
    site: Site, docker: Docker, project: Project
) -> None:
    slow, silent = await asyncio.gather(
        project.deploy("slow", "slow", ready_seconds=8), site.project.deploy("bad", "silent", ready_seconds=8)
    )

    assert status_of(slow) == "ready", slow
    assert await project.answers("live") == "slow"
    assert silent.failure.step == "poll until ready"
    assert "gave up after 8 s" in silent.failure.reason
    assert "nothing listens on port" in silent.failure.reason
    assert "nothing listens on port" in silent.failure.last_probe.problem
    assert (silent.ended_at_ms - silent.created_at_ms) / 1000 < 40
    await site.assert_only_live_is_left(silent, docker)


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        ("FROM {base}\nCOPY . .\nFOO bar\n", "the Dockerfile cannot be used: line 3: unknown instruction: FOO"),
        ('FROM {base}\nRUN ["python", "-c", "1/0"]\n', 'RUN ["python", "-c", "1/0"] failed with exit code 1'),
    ],
)
async def test_a_source_that_cannot_be_built_fails_with_what_to_change(
    site: Site, docker: Docker, dockerfile: str, reason: str
) -> None:
    text = dockerfile.replace("{base}", docker.kind.settings.python_base_image)
    source = await site.project.source("unbuildable", files={"Dockerfile": text})

    failed = await site.project.deploy("unbuildable", source=source)

    assert failed.failure.step == "build"
    assert reason in failed.failure.reason
    await site.assert_only_live_is_left(failed, docker)


async def test_an_image_that_cannot_be_run_is_refused_or_fails_with_what_is_wrong_with_it(
    site: Site, docker: Docker
) -> None:
    socket, mute = docker.kind.settings.docker_socket, "interlock-test-end-to-end-mute:1"
    await asyncio.to_thread(import_image, socket, mute, [], {"app": b""})
    before = (await site.project.control.list_deployments(site.project.slug)).deployments
    async with serving_registry(Registry(architecture="riscv64")) as host:
        for image, reason in (
            (f"{host}/absent:1", "the registry does not have it: check the name, or push it"),
            (f"{host}/app:1", "was made for riscv64, and this machine is"),
        ):
            with pytest.raises(PreconditionFailed, match=reason):
                await site.deploy_image(image)
    assert (await site.project.control.list_deployments(site.project.slug)).deployments == before

    failed = await site.deploy_image(mute)

    assert failed.failure.step == "create in krane"
    assert "does not say what to run: give it a CMD or an ENTRYPOINT" in failed.failure.reason
    await site.assert_only_live_is_left(failed, docker)
    engine = Engine(socket)
    await engine.remove_image(mute)
    await engine.close()


async def test_2_gb_are_refused_before_they_are_packed(project: Project, tmp_path: Path) -> None:
    with (tmp_path / "disk.img").open("wb") as sparse:
        sparse.truncate(2 << 30)

    told = await asyncio.to_thread(project.stack.cli, "deploy", str(tmp_path), "-p", project.slug, timeout=20)

    assert told.returncode != 0
    assert (
        "holds 2048 MiB, the limit is 200 MiB: leave files out with a .interlockignore; largest: disk.img (2048.0 MiB)"
        in told.stderr
    )
    assert not (await project.control.list_deployments(project.slug)).deployments


async def test_an_app_that_ends_again_and_again_after_the_switch_stays_live_and_says_so(project: Project) -> None:
    good = await project.deploy("good")
    brief = await project.deploy("brief", "brief")
    assert status_of(brief) == "ready", brief

    async def restarts() -> bool:
        return (await project.control.get_deployment(brief.id)).instances[0].restarts >= 2

    await eventually(restarts, "two restarts", timeout=30)
    shown = (await asyncio.to_thread(project.stack.cli, "show", brief.id)).stdout
    assert re.search(rf"^{brief.id}-0 .* (yes|no) +[2-9]\b", shown, re.MULTILINE), shown
    assert await project.live() == brief.id
    await project.control.rollback(project.slug)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"


async def test_images_of_what_failed_are_removed(site: Site, docker: Docker) -> None:
    rows = await site.project.stack.sql("select image, status from deployments where image is not null")
    kept = {row["image"] for row in rows if row["status"] in ("ready", "stopped")}
    assert {row["image"] for row in rows} > kept

    async def look() -> bool:
        return await docker.images() == kept

    await eventually(look, "the images of failed deployments to be removed", timeout=20)


async def test_live_is_brought_back_when_its_container_and_its_image_are_gone(project: Project, docker: Docker) -> None:
    deployed = await project.deploy("kept")
    assert status_of(deployed) == "ready", deployed

    await docker.lose(deployed)

    async def is_told() -> bool:
        items = (await project.control.list_attention()).items
        return any(item.deployment_id == deployed.id and "was removed" in item.why for item in items)

    async def serves() -> bool:
        return await project.answers("live") == "kept"

    await eventually(is_told, "attention to say that the image was removed")
    await eventually(serves, "live to be brought back", timeout=60)
    again = await project.control.get_deployment(deployed.id)
    assert status_of(again) == "ready"
    assert again.image in await docker.images()
