"""Client of ctrl.v1 over gRPC, for one workspace. It raises the domain's errors, as ctrl raised them.

Also raises Unavailable if ctrl does not answer, and DeadlineExceeded if a call takes too long.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, TypedDict, TypeVar, Unpack

import grpc.aio
from google.protobuf.message import Message

from services.ctrl import defaults
from services.domain.errors import DeadlineExceeded
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.ctrl.v1.control_pb2_grpc import ControlServiceStub
from services.rpc.calling import call, follow, open_channel, statuses_as_errors

QUICK: Final = timedelta(seconds=15)
# Longer than ctrl itself waits for an operation, and for a queued one.
OPERATION: Final = timedelta(seconds=75)
QUEUED: Final = timedelta(minutes=21)
UPLOAD: Final = timedelta(minutes=10)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class MoveOptions(TypedDict, total=False):
    """Options of rollback and promote; see the fields of their requests."""

    idempotency_key: str
    dry_run: bool
    no_preempt: bool
    reason: str


class ControlClient:
    """A client; use it as an async context manager, or call `close()`. `address` is host:port of ctrl's gRPC server.

    `actor` is the user for whom the client acts; it is recorded with deployments, cancels and moves.
    """

    def __init__(self, address: str, workspace: str = defaults.WORKSPACE, actor: str = "") -> None:
        self.workspace = workspace
        self.actor = actor
        self._channel = open_channel(address)
        self._control = ControlServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def create_project(self, slug: str) -> pb.Project:
        """Create a project."""
        request = pb.CreateProjectRequest(slug=slug)
        return (await self._call(self._control.CreateProject, request)).project

    async def list_projects(self) -> pb.ListProjectsResponse:
        """List the projects."""
        return await self._call(self._control.ListProjects, pb.ListProjectsRequest())

    async def project_status(self, project: str) -> pb.GetProjectStatusResponse:
        """Return a project with the newest deployment of each environment and the state of the gateways."""
        request = pb.GetProjectStatusRequest(project=project)
        return await self._call(self._control.GetProjectStatus, request)

    async def upload_source(self, chunks: AsyncIterator[bytes]) -> str:
        """Upload a gzipped tar; returns the id of the source."""
        messages = (pb.UploadSourceRequest(chunk=chunk) async for chunk in chunks)
        with statuses_as_errors(late=DeadlineExceeded):
            return (await self._control.UploadSource(messages, timeout=UPLOAD.total_seconds())).source

    async def create_deployment(self, request: pb.CreateDeploymentRequest) -> pb.Deployment:
        """Create a deployment; fills in workspace and actor."""
        return (await self._call(self._control.CreateDeployment, request)).deployment

    async def redeploy(self, request: pb.RedeployRequest) -> pb.Deployment:
        """Create a deployment of what an earlier one was made from; fills in workspace and actor."""
        return (await self._call(self._control.Redeploy, request)).deployment

    async def get_deployment(self, deployment_id: str) -> pb.Deployment:
        """Return a deployment with its steps, instances and domains."""
        request = pb.GetDeploymentRequest(deployment_id=deployment_id)
        return (await self._call(self._control.GetDeployment, request)).deployment

    async def list_deployments(self, project: str, limit: int = 20) -> pb.ListDeploymentsResponse:
        """List the newest deployments of a project, newest first."""
        request = pb.ListDeploymentsRequest(project=project, limit=limit)
        return await self._call(self._control.ListDeployments, request)

    async def cancel_deployment(self, deployment_id: str, reason: str = "") -> pb.CancelDeploymentResponse:
        """Ask a deployment to unwind, without waiting for it."""
        request = pb.CancelDeploymentRequest(deployment_id=deployment_id, reason=reason)
        return await self._call(self._control.CancelDeployment, request)

    async def rollback(self, project: str, target: str = "", **options: Unpack[MoveOptions]) -> pb.RollbackResponse:
        """Move live back to `target`; empty: to the deployment that was live before."""
        request = pb.RollbackRequest(project=project, target_deployment_id=target, **options)
        return await self._call(self._control.Rollback, request, timeout=_patience(request))

    async def promote(self, project: str, target: str, **options: Unpack[MoveOptions]) -> pb.PromoteResponse:
        """Make `target` live and end the rolled-back state."""
        request = pb.PromoteRequest(project=project, target_deployment_id=target, **options)
        return await self._call(self._control.Promote, request, timeout=_patience(request))

    async def get_settings(self, project: str) -> pb.GetSettingsResponse:
        """Return the settings of a project."""
        request = pb.GetSettingsRequest(project=project)
        return await self._call(self._control.GetSettings, request)

    async def set_settings(self, project: str, settings: pb.RunSettings) -> pb.SetSettingsResponse:
        """Add or replace the settings that are not empty."""
        request = pb.SetSettingsRequest(project=project, settings=settings)
        return await self._call(self._control.SetSettings, request)

    async def remove_settings(self, project: str, names: Iterable[str]) -> pb.RemoveSettingsResponse:
        """Remove settings of a project."""
        request = pb.RemoveSettingsRequest(project=project, names=names)
        return await self._call(self._control.RemoveSettings, request)

    async def list_variables(self, project: str, environment: str = "") -> pb.ListVariablesResponse:
        """List the variables of an environment; empty means the default environment."""
        request = pb.ListVariablesRequest(project=project, environment=environment)
        return await self._call(self._control.ListVariables, request)

    async def set_variables(
        self, project: str, variables: Mapping[str, str], environment: str = ""
    ) -> pb.SetVariablesResponse:
        """Add or replace variables."""
        request = pb.SetVariablesRequest(project=project, environment=environment, variables=variables)
        return await self._call(self._control.SetVariables, request)

    async def remove_variables(
        self, project: str, names: Iterable[str], environment: str = ""
    ) -> pb.RemoveVariablesResponse:
        """Remove variables."""
        request = pb.RemoveVariablesRequest(project=project, environment=environment, names=names)
        return await self._call(self._control.RemoveVariables, request)

    async def list_secrets(self, project: str, environment: str = "") -> pb.ListSecretsResponse:
        """List the secrets of an environment, without values."""
        request = pb.ListSecretsRequest(project=project, environment=environment)
        return await self._call(self._control.ListSecrets, request)

    async def set_secrets(
        self, project: str, secrets: Mapping[str, str], environment: str = ""
    ) -> pb.SetSecretsResponse:
        """Add or replace secrets."""
        request = pb.SetSecretsRequest(project=project, environment=environment, secrets=secrets)
        return await self._call(self._control.SetSecrets, request)

    async def remove_secrets(
        self, project: str, names: Iterable[str], environment: str = ""
    ) -> pb.RemoveSecretsResponse:
        """Remove secrets. Existing deployments keep them."""
        request = pb.RemoveSecretsRequest(project=project, environment=environment, names=names)
        return await self._call(self._control.RemoveSecrets, request)

    async def list_volumes(self, project: str) -> pb.ListVolumesResponse:
        """List the volumes of a project."""
        return await self._call(self._control.ListVolumes, pb.ListVolumesRequest(project=project))

    async def remove_volume(self, project: str, name: str, environment: str = "") -> pb.RemoveVolumeResponse:
        """Remove a volume with everything in it. Raises PreconditionFailed while a deployment with it runs."""
        request = pb.RemoveVolumeRequest(project=project, environment=environment, name=name)
        return await self._call(self._control.RemoveVolume, request)

    async def list_registry_credentials(self) -> pb.ListRegistryCredentialsResponse:
        """List the credentials for private registries and git servers, without passwords."""
        request = pb.ListRegistryCredentialsRequest()
        return await self._call(self._control.ListRegistryCredentials, request)

    async def set_registry_credential(
        self, host: str, username: str, password: str
    ) -> pb.SetRegistryCredentialResponse:
        """Add or replace the credential of a host."""
        request = pb.SetRegistryCredentialRequest(registry=host, username=username, password=password)
        return await self._call(self._control.SetRegistryCredential, request)

    async def remove_registry_credential(self, host: str) -> pb.RemoveRegistryCredentialResponse:
        """Remove the credential of a host."""
        request = pb.RemoveRegistryCredentialRequest(registry=host)
        return await self._call(self._control.RemoveRegistryCredential, request)

    async def list_domains(self, project: str) -> pb.ListDomainsResponse:
        """List the domains of a project."""
        request = pb.ListDomainsRequest(project=project)
        return await self._call(self._control.ListDomains, request)

    async def list_transitions(self, project: str, limit: int = 50) -> pb.ListTransitionsResponse:
        """List the changes to a project with time, actor and reason, newest first."""
        request = pb.ListTransitionsRequest(project=project, limit=limit)
        return await self._call(self._control.ListTransitions, request)

    async def logs(self, deployment_id: str, tail_lines: int = 100, *, build: bool = False) -> pb.GetLogsResponse:
        """Return the newest log lines of a deployment."""
        request = pb.GetLogsRequest(deployment_id=deployment_id, tail_lines=tail_lines, build=build)
        return await self._call(self._control.GetLogs, request)

    def follow_logs(self, request: pb.FollowLogsRequest) -> AsyncGenerator[pb.FollowLogsResponse]:
        """Stream the requested log lines, without a deadline; fills in the workspace. Close the generator after use.

        Raises Unavailable if the stream breaks; repeat the request with the cursors of the last lines.
        """
        return follow(self._control.FollowLogs, self._signed(request))

    def run_command(self, request: pb.RunCommandRequest) -> AsyncGenerator[pb.RunCommandResponse]:
        """Run a command and stream its lines and its end; fills in workspace and actor. Closing the stream stops it."""
        return follow(self._control.RunCommand, self._signed(request))

    async def get_openapi(self, deployment_id: str) -> bytes:
        """Return the OpenAPI document of a deployment; raises NotFound if none was kept."""
        request = self._signed(pb.GetOpenapiRequest(deployment_id=deployment_id))
        async with aclosing(follow(self._control.GetOpenapi, request)) as chunks:
            return b"".join([chunk.chunk async for chunk in chunks])

    async def list_attention(self) -> pb.ListAttentionResponse:
        """List the problems that need a person."""
        request = pb.ListAttentionRequest()
        return await self._call(self._control.ListAttention, request)

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: timedelta = QUICK,
    ) -> Response:
        # Not Unavailable: a late answer is no outage, and the operation continues.
        return await call(method, self._signed(request), timeout=timeout, late=DeadlineExceeded)

    def _signed(self, request: Request) -> Request:
        """Fill in workspace and actor, if the request has these fields."""
        for name, value in (("workspace", self.workspace), ("actor", self.actor)):
            if name in request.DESCRIPTOR.fields_by_name:
                setattr(request, name, value)
        return request


def _patience(request: pb.RollbackRequest | pb.PromoteRequest) -> timedelta:
    return QUEUED if request.no_preempt else OPERATION
