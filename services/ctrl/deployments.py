"""API methods for deployments: create, read, cancel, and read logs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from services.ctrl.cancellation import Cancellation
from services.ctrl.checks import (
    check_actor,
    check_deployment,
    check_idempotency_key,
    check_limit,
    check_note,
    check_project,
    check_redeploy,
    check_workspace,
)
from services.ctrl.dispatcher import Dispatcher
from services.ctrl.images import ImagePinning
from services.ctrl.messages import (
    deployment_message,
    detailed_deployment_message,
    domain_message,
    reported_instance_message,
)
from services.db.deployment_requests import DeploymentRequest, find_precedent, record_deployment
from services.db.engine import Database
from services.db.instances import list_instances
from services.db.projects import find_project
from services.db.secrets import find_versions
from services.db.steps import list_steps
from services.db.views import find_deployment, list_deployment_domains, list_deployments
from services.domain.errors import InterlockError
from services.domain.ids import check_id
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from services.krane.types import InstanceReport

# Maximum time to wait for krane's report on the instances of a deployment.
REPORT_SECONDS = 0.5
NO_HEALTH_PATH = (
    "no health path: any open port counts as healthy; name one by --health-path, or in [health] of interlock.toml"
)
# The statuses in which krane has instances, or should have them.
REPORTED = (DeploymentStatus.DEPLOYING, DeploymentStatus.READY)


class DeploymentApi:
    """The methods of ctrl.v1.ControlService for deployments."""

    def __init__(
        self,
        database: Database,
        krane: KraneClient,
        images: ImagePinning,
        dispatcher: Dispatcher,
        cancellation: Cancellation,
        gateway_port: int,
    ) -> None:
        self._database = database
        self._krane = krane
        self._images = images
        self._dispatcher = dispatcher
        self._cancellation = cancellation
        self._gateway_port = gateway_port

    async def UploadSource(self, chunks: AsyncIterator[pb.UploadSourceRequest]) -> pb.UploadSourceResponse:
        """Forward a source tree to krane, which checks and stores it."""
        stored = await self._krane.upload_source(chunk.chunk async for chunk in chunks)
        return pb.UploadSourceResponse(source=stored.source, size_bytes=stored.size_bytes)

    async def CreateDeployment(self, request: pb.CreateDeploymentRequest) -> pb.CreateDeploymentResponse:
        """Record a pending deployment. The dispatcher then hands it over to Restate."""
        checked = check_deployment(request)
        idempotency_key, actor = check_idempotency_key(request.idempotency_key), check_actor(request.actor)
        async with self._database.read() as session:
            precedent = await find_precedent(session, checked, idempotency_key)
        # A repeated request returns the first deployment, even if the tag has moved or its registry does not answer.
        if precedent.deployment_id is not None:
            return pb.CreateDeploymentResponse(deployment=await self._read(checked.workspace, precedent.deployment_id))
        pinned = checked.image and await self._images.pin(precedent.workspace_id, checked.image)
        return pb.CreateDeploymentResponse(deployment=await self._record(checked, idempotency_key, pinned, actor))

    async def Redeploy(self, request: pb.RedeployRequest) -> pb.RedeployResponse:
        """Record a pending deployment of what an earlier one was made from."""
        deployment_id = check_id("deployment_id", request.deployment_id)
        idempotency_key, actor = check_idempotency_key(request.idempotency_key), check_actor(request.actor)
        async with self._database.read() as session:
            earlier = await find_deployment(session, check_workspace(request.workspace), deployment_id)
        checked = check_redeploy(request, earlier)
        # Not the tag again: it may have moved.
        pinned = earlier.deployment.image if checked.image else None
        return pb.RedeployResponse(deployment=await self._record(checked, idempotency_key, pinned, actor))

    async def GetDeployment(self, request: pb.GetDeploymentRequest) -> pb.GetDeploymentResponse:
        """Return a deployment with all its details."""
        deployment_id = check_id("deployment_id", request.deployment_id)
        return pb.GetDeploymentResponse(deployment=await self._read(check_workspace(request.workspace), deployment_id))

    async def ListDeployments(self, request: pb.ListDeploymentsRequest) -> pb.ListDeploymentsResponse:
        """List the deployments of a project, newest first."""
        limit = check_limit("limit", request.limit, default=20, highest=200)
        async with self._database.read() as session:
            project = await find_project(session, check_workspace(request.workspace), check_project(request.project))
            views = await list_deployments(session, project.id, limit)
        return pb.ListDeploymentsResponse(deployments=[deployment_message(view) for view in views])

    async def CancelDeployment(self, request: pb.CancelDeploymentRequest) -> pb.CancelDeploymentResponse:
        """Ask a deployment to unwind, without waiting until it has."""
        workspace = check_workspace(request.workspace)
        deployment_id = check_id("deployment_id", request.deployment_id)
        reason = check_note(request.actor, request.reason, default_reason="cancelled on request")
        async with self._database.read() as session:
            await find_deployment(session, workspace, deployment_id)
        cancelling = await self._cancellation.cancel(deployment_id, reason)
        return pb.CancelDeploymentResponse(deployment=await self._read(workspace, deployment_id), cancelling=cancelling)

    async def GetLogs(self, request: pb.GetLogsRequest) -> pb.GetLogsResponse:
        """Return the newest log lines of a deployment's instances, and of its build if requested."""
        deployment_id = check_id("deployment_id", request.deployment_id)
        tail_lines = check_limit("tail_lines", request.tail_lines, default=100, highest=1000)
        async with self._database.read() as session:
            view = await find_deployment(session, check_workspace(request.workspace), deployment_id)
        namespace = view.deployment.workspace_id
        lines: list[pb.LogLine] = []
        if request.build:
            build = await self._krane.get_build(namespace, deployment_id, tail_lines=tail_lines)
            lines += [pb.LogLine(text=text) for text in (build.log_lines if build else ())]
        logs = await self._krane.logs(namespace, deployment_id, tail_lines=tail_lines)
        lines += [pb.LogLine(instance_id=line.instance_id, text=line.text) for line in logs]
        if view.deployment.status == DeploymentStatus.READY:
            lines += await self._endings(namespace, deployment_id)
        return pb.GetLogsResponse(lines=lines)

    async def _record(
        self, request: DeploymentRequest, idempotency_key: str | None, pinned_image: str | None, actor: str
    ) -> pb.Deployment:
        async with self._database.write() as session:
            deployment_id = await record_deployment(
                session, request, idempotency_key, pinned_image=pinned_image, created_by=actor
            )
        self._dispatcher.wake()
        return await self._read(request.workspace, deployment_id)

    async def _endings(self, namespace: str, deployment_id: str) -> list[pb.LogLine]:
        """Return a line on each instance whose last run ended: an app that is killed cannot write one."""
        state = await self._krane.get(namespace, deployment_id)
        return [
            pb.LogLine(
                instance_id=one.id,
                text=f"(interlock: the last restart was at {_moment(one.last_end_ms)}, because {one.last_end})",
            )
            for one in (state.instances if state else ())
            if one.last_end
        ]

    async def _read(self, workspace: str, deployment_id: str) -> pb.Deployment:
        async with self._database.read() as session:
            view = await find_deployment(session, workspace, deployment_id)
            domains = await list_deployment_domains(session, deployment_id)
            message = detailed_deployment_message(
                view,
                await list_steps(session, deployment_id),
                await list_instances(session, deployment_id),
                [domain_message(domain, self._gateway_port) for domain in domains],
                await find_versions(session, view.deployment.secrets.values()),
            )
        if view.deployment.status in REPORTED:
            await self._add_reports(view.deployment.workspace_id, message)
        return message

    async def _add_reports(self, namespace: str, message: pb.Deployment) -> None:
        """Replace the recorded instances by krane's, unless krane takes longer than REPORT_SECONDS."""
        try:
            state = await self._krane.get(namespace, message.id, deadline_seconds=REPORT_SECONDS)
        except InterlockError:
            return
        if state is not None:
            del message.instances[:]
            message.instances.extend(reported_instance_message(report) for report in state.instances)
            if any(is_by_port(report) for report in state.instances):
                message.warnings.append(NO_HEALTH_PATH)
        for instance in message.instances if state is None else ():
            instance.healthy, instance.reason = False, "krane does not have it"


def is_by_port(report: InstanceReport) -> bool:
    """Return whether an instance is healthy only because it accepts connections."""
    return report.healthy and report.last_probe is not None and not report.last_probe.status_code


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
