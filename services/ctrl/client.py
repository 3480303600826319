"""Client of ctrl.v1 over gRPC, for one workspace. Errors are the domain's, as ctrl raised them.

Also Unavailable when ctrl does not answer, and DeadlineExceeded when a call takes too long.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
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
# Longer than ctrl itself waits for an operation, and for one that queues behind others.
OPERATION: Final = timedelta(seconds=75)
QUEUED: Final = timedelta(minutes=21)
UPLOAD: Final = timedelta(minutes=10)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class MoveOptions(TypedDict, total=False):
    """How live is to be moved; the fields of the requests, which explain them."""

    idempotency_key: str
    dry_run: bool
    no_preempt: bool
    reason: str


class ControlClient:
    """Use as an async context manager, or `close()` it. `address` is host:port of ctrl's gRPC door.

    `actor` says for whom the client acts; it is recorded with what is deployed, cancelled and moved.
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
        """All projects."""
        return await self._call(self._control.ListProjects, pb.ListProjectsRequest())

    async def project_status(self, project: str) -> pb.GetProjectStatusResponse:
        """A project, what is newest in each environment, and how far the gateways are."""
        request = pb.GetProjectStatusRequest(project=project)
        return await self._call(self._control.GetProjectStatus, request)

    async def upload_source(self, chunks: AsyncIterator[bytes]) -> str:
        """Store a gzipped tar; returns the source to deploy from."""
        messages = (pb.UploadSourceRequest(chunk=chunk) async for chunk in chunks)
        with statuses_as_errors(late=DeadlineExceeded):
            return (await self._control.UploadSource(messages, timeout=UPLOAD.total_seconds())).source

    async def create_deployment(self, request: pb.CreateDeploymentRequest) -> pb.Deployment:
        """Deploy; workspace and actor are filled in."""
        return (await self._call(self._control.CreateDeployment, request)).deployment

    async def get_deployment(self, deployment_id: str) -> pb.Deployment:
        """A deployment with its steps, instances and domains."""
        request = pb.GetDeploymentRequest(deployment_id=deployment_id)
        return (await self._call(self._control.GetDeployment, request)).deployment

    async def list_deployments(self, project: str, limit: int = 20) -> pb.ListDeploymentsResponse:
        """The newest deployments of a project, newest first."""
        request = pb.ListDeploymentsRequest(project=project, limit=limit)
        return await self._call(self._control.ListDeployments, request)

    async def cancel_deployment(self, deployment_id: str, reason: str = "") -> pb.CancelDeploymentResponse:
        """Ask a deployment to unwind, without waiting for it."""
        request = pb.CancelDeploymentRequest(deployment_id=deployment_id, reason=reason)
        return await self._call(self._control.CancelDeployment, request)

    async def rollback(self, project: str, target: str = "", **options: Unpack[MoveOptions]) -> pb.RollbackResponse:
        """Move live back to `target`; empty: to what was live before."""
        request = pb.RollbackRequest(project=project, target_deployment_id=target, **options)
        return await self._call(self._control.Rollback, request, timeout=_patience(request))

    async def promote(self, project: str, target: str, **options: Unpack[MoveOptions]) -> pb.PromoteResponse:
        """Make `target` live and end the rolled-back state."""
        request = pb.PromoteRequest(project=project, target_deployment_id=target, **options)
        return await self._call(self._control.Promote, request, timeout=_patience(request))

    async def get_settings(self, project: str) -> pb.GetSettingsResponse:
        """What the project's next deployment is run with."""
        request = pb.GetSettingsRequest(project=project)
        return await self._call(self._control.GetSettings, request)

    async def set_settings(self, project: str, settings: pb.RunSettings) -> pb.SetSettingsResponse:
        """Add or replace the settings that are not empty."""
        request = pb.SetSettingsRequest(project=project, settings=settings)
        return await self._call(self._control.SetSettings, request)

    async def remove_settings(self, project: str, names: Iterable[str]) -> pb.RemoveSettingsResponse:
        """Leave settings to the source and the defaults."""
        request = pb.RemoveSettingsRequest(project=project, names=names)
        return await self._call(self._control.RemoveSettings, request)

    async def list_variables(self, project: str, environment: str = "") -> pb.ListVariablesResponse:
        """The variables that an environment's next deployment gets; the default environment when none is named."""
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
        """The secrets that an environment's next deployment gets, without their values."""
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
        """Give secrets to no further deployment."""
        request = pb.RemoveSecretsRequest(project=project, environment=environment, names=names)
        return await self._call(self._control.RemoveSecrets, request)

    async def list_registry_credentials(self) -> pb.ListRegistryCredentialsResponse:
        """The credentials for private registries and git servers, without their passwords."""
        request = pb.ListRegistryCredentialsRequest()
        return await self._call(self._control.ListRegistryCredentials, request)

    async def set_registry_credential(
        self, registry: str, username: str, password: str
    ) -> pb.SetRegistryCredentialResponse:
        """Add or replace the credential of a host."""
        request = pb.SetRegistryCredentialRequest(registry=registry, username=username, password=password)
        return await self._call(self._control.SetRegistryCredential, request)

    async def remove_registry_credential(self, registry: str) -> pb.RemoveRegistryCredentialResponse:
        """Forget the credential of a host."""
        request = pb.RemoveRegistryCredentialRequest(registry=registry)
        return await self._call(self._control.RemoveRegistryCredential, request)

    async def list_domains(self, project: str) -> pb.ListDomainsResponse:
        """All domains of a project."""
        request = pb.ListDomainsRequest(project=project)
        return await self._call(self._control.ListDomains, request)

    async def list_transitions(self, project: str, limit: int = 50) -> pb.ListTransitionsResponse:
        """Who did what to a project, when and why, newest first."""
        request = pb.ListTransitionsRequest(project=project, limit=limit)
        return await self._call(self._control.ListTransitions, request)

    async def logs(self, deployment_id: str, tail_lines: int = 100, *, build: bool = False) -> pb.GetLogsResponse:
        """The newest log lines of a deployment."""
        request = pb.GetLogsRequest(deployment_id=deployment_id, tail_lines=tail_lines, build=build)
        return await self._call(self._control.GetLogs, request)

    def follow_logs(self, request: pb.FollowLogsRequest) -> AsyncGenerator[pb.FollowLogsResponse]:
        """The log lines that were asked for, without a deadline; the workspace is filled in. Close the generator.

        Raises Unavailable when the stream breaks: ask again with the cursors of the last lines.
        """
        return follow(self._control.FollowLogs, self._signed(request))

    async def list_attention(self) -> pb.ListAttentionResponse:
        """What needs a person."""
        request = pb.ListAttentionRequest()
        return await self._call(self._control.ListAttention, request)

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: timedelta = QUICK,
    ) -> Response:
        # A late answer is no weather to a user: the operation goes on.
        return await call(method, self._signed(request), timeout=timeout, late=DeadlineExceeded)

    def _signed(self, request: Request) -> Request:
        """Fill in for which workspace and for whom, where the contract asks for it."""
        for name, value in (("workspace", self.workspace), ("actor", self.actor)):
            if name in request.DESCRIPTOR.fields_by_name:
                setattr(request, name, value)
        return request


def _patience(request: pb.RollbackRequest | pb.PromoteRequest) -> timedelta:
    return QUEUED if request.no_preempt else OPERATION
