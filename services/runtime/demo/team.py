"""The user of the demo: deploys versions of the example app, and checks the answers of the gateway."""

import asyncio
import hashlib
import io
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Mapping
from http import HTTPStatus
from pathlib import Path

import httpx

from services.config import ROOT
from services.ctrl.client import ControlClient
from services.ctrl.enums import STICKY, status_of
from services.domain.errors import DeadlineExceeded
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb
from services.runtime.demo.story import Story, expect

EXAMPLE = ROOT / "examples" / "hello-python"
PROJECT = "hello"
ENDS_WITHIN_SECONDS = 40.0
LOOK_AGAIN_SECONDS = 0.05
UPLOAD_CHUNK_BYTES = 64 * 1024

ENDED = frozenset({DeploymentStatus.READY, DeploymentStatus.FAILED, DeploymentStatus.CANCELLED})


class Team:
    """Deploys versions of the example app, and checks the answers of the gateway."""

    def __init__(self, story: Story, client: ControlClient, gateway: httpx.AsyncClient) -> None:
        self._story = story
        self._client = client
        self._gateway = gateway
        self._versions: dict[str, str] = {}

    async def create_deployment(self, version: str) -> str:
        """Upload the example as `version` and start to deploy it; returns the deployment id."""
        source = await self._client.upload_source(_archive(version))
        deployment = await self._client.create_deployment(
            pb.CreateDeploymentRequest(
                project=PROJECT,
                source=source,
                branch="main",
                commit=hashlib.sha1(version.encode(), usedforsecurity=False).hexdigest(),
                message=f"Version {version}",
            )
        )
        self._versions[deployment.id] = version
        return deployment.id

    async def deploy(self, version: str) -> str:
        """Deploy `version` and wait until it is ready; returns the deployment id."""
        deployment_id = await self.create_deployment(version)
        await self.finish(deployment_id, DeploymentStatus.READY)
        return deployment_id

    async def finish(self, deployment_id: str, expected: DeploymentStatus) -> pb.Deployment:
        """Wait until a deployment has ended; raises Deviation if its status is not the expected one."""
        deployment = await self.wait_for(deployment_id, ENDED)
        seen: str = status_of(deployment)
        if seen != expected and deployment.failure.reason:
            seen += f" ({deployment.failure.step}: {deployment.failure.reason})"
        expect(f"{deployment_id} ended", expected=str(expected), seen=seen)
        self._story.fact(f"{deployment_id} is {status_of(deployment)}")
        return deployment

    async def wait_for(self, deployment_id: str, statuses: Collection[str]) -> pb.Deployment:
        """Return a deployment once its status is one of these."""
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            deployment = await self._client.get_deployment(deployment_id)
            if status_of(deployment) in statuses:
                return deployment
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise DeadlineExceeded(f"{deployment_id} was none of {sorted(statuses)} within {ENDS_WITHIN_SECONDS:.0f} s")

    async def instances(self) -> list[pb.Instance]:
        """Return the healthy instances of all versions."""
        deployments = [await self._client.get_deployment(deployment_id) for deployment_id in self._versions]
        return [instance for deployment in deployments for instance in deployment.instances if instance.healthy]

    async def check_hostnames(self, expected: Mapping[Sticky, str]) -> None:
        """Send a request to every hostname of the project, and print and check the version that answers."""
        for domain in (await self._client.list_domains(PROJECT)).domains:
            sticky = STICKY.decode(domain.sticky)
            version = self._versions[domain.deployment_id] if sticky is Sticky.COMMIT else expected[sticky]
            answer = await self._gateway.get("/", headers={"Host": domain.hostname})
            expect(f"{domain.hostname} answers", expected=HTTPStatus.OK, seen=answer.status_code)
            seen = answer.json()["version"]
            self._story.fact(f"{sticky:<12} {domain.hostname:<52} version {seen}")
            expect(f"{domain.hostname} answers with version", expected=version, seen=seen)


async def _archive(version: str) -> AsyncIterator[bytes]:
    """Yield the example with that version in its VERSION file, as chunks of a gzipped tar."""
    with tempfile.TemporaryDirectory(prefix="interlock-demo-source-") as folder:
        source = Path(shutil.copytree(EXAMPLE, Path(folder) / "source"))
        (source / "VERSION").write_text(f"{version}\n")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            tar.add(source, arcname=".")
    archive.seek(0)
    while chunk := archive.read(UPLOAD_CHUNK_BYTES):
        yield chunk
