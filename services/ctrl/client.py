"""Client of ctrl.v1 over gRPC, for one workspace. Errors are the domain's, as ctrl raised them.

Also Unavailable when ctrl does not answer, and DeadlineExceeded when a call takes too long.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, TypedDict, TypeVar, Unpack

import grpc
import grpc.aio
from google.protobuf.message import Message

from services.ctrl import defaults
from services.ctrl.control import CONTROL_SERVICE
from services.ctrl.errors import from_grpc
from services.gen.ctrl.v1 import control_pb2 as pb

QUICK: Final = timedelta(seconds=15)
# Longer than ctrl itself waits for an operation, and for one that queues behind others.
OPERATION: Final = timedelta(seconds=75)
QUEUED: Final = timedelta(minutes=21)
UPLOAD: Final = timedelta(minutes=10)

CHANNEL_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    # ctrl's restarts are quick, and so is the next attempt.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

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
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)

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
        request = pb.CreateProjectRequest(slug=slug, workspace=self.workspace)
        return (await self._call("CreateProject", request, pb.CreateProjectResponse)).project

    async def list_projects(self) -> pb.ListProjectsResponse:
        """All projects."""
        return await self._call(
            "ListProjects", pb.ListProjectsRequest(workspace=self.workspace), pb.ListProjectsResponse
        )

    async def project_status(self, project: str) -> pb.GetProjectStatusResponse:
        """A project, what is newest in each environment, and how far the gateways are."""
        request = pb.GetProjectStatusRequest(workspace=self.workspace, project=project)
        return await self._call("GetProjectStatus", request, pb.GetProjectStatusResponse)

    async def upload_source(self, chunks: AsyncIterator[bytes]) -> str:
        """Store a gzipped tar; returns the source to deploy from."""
        upload = self._channel.stream_unary(
            f"/{CONTROL_SERVICE.full_name}/UploadSource",
            request_serializer=pb.UploadSourceRequest.SerializeToString,
            response_deserializer=pb.UploadSourceResponse.FromString,
        )
        messages = (pb.UploadSourceRequest(chunk=chunk) async for chunk in chunks)
        try:
            return (await upload(messages, timeout=UPLOAD.total_seconds())).source
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error.code(), error.details() or "") from error

    async def create_deployment(self, request: pb.CreateDeploymentRequest) -> pb.Deployment:
        """Deploy; workspace and actor are filled in."""
        request.workspace, request.actor = self.workspace, self.actor
        return (await self._call("CreateDeployment", request, pb.CreateDeploymentResponse)).deployment

    async def get_deployment(self, deployment_id: str) -> pb.Deployment:
        """A deployment with its steps, instances and domains."""
        request = pb.GetDeploymentRequest(workspace=self.workspace, deployment_id=deployment_id)
        return (await self._call("GetDeployment", request, pb.GetDeploymentResponse)).deployment

    async def list_deployments(self, project: str, limit: int = 20) -> pb.ListDeploymentsResponse:
        """The newest deployments of a project, newest first."""
        request = pb.ListDeploymentsRequest(workspace=self.workspace, project=project, limit=limit)
        return await self._call("ListDeployments", request, pb.ListDeploymentsResponse)

    async def cancel_deployment(self, deployment_id: str, reason: str = "") -> pb.CancelDeploymentResponse:
        """Ask a deployment to unwind, without waiting for it."""
        request = pb.CancelDeploymentRequest(
            workspace=self.workspace, deployment_id=deployment_id, reason=reason, actor=self.actor
        )
        return await self._call("CancelDeployment", request, pb.CancelDeploymentResponse)

    async def rollback(self, project: str, target: str = "", **options: Unpack[MoveOptions]) -> pb.RollbackResponse:
        """Move live back to `target`; empty: to what was live before."""
        request = pb.RollbackRequest(
            workspace=self.workspace, project=project, target_deployment_id=target, actor=self.actor, **options
        )
        return await self._call("Rollback", request, pb.RollbackResponse, timeout=_patience(request))

    async def promote(self, project: str, target: str, **options: Unpack[MoveOptions]) -> pb.PromoteResponse:
        """Make `target` live and end the rolled-back state."""
        request = pb.PromoteRequest(
            workspace=self.workspace, project=project, target_deployment_id=target, actor=self.actor, **options
        )
        return await self._call("Promote", request, pb.PromoteResponse, timeout=_patience(request))

    async def get_settings(self, project: str) -> pb.GetSettingsResponse:
        """What the project's next deployment is run with."""
        request = pb.GetSettingsRequest(workspace=self.workspace, project=project)
        return await self._call("GetSettings", request, pb.GetSettingsResponse)

    async def set_settings(self, project: str, settings: pb.RunSettings) -> pb.SetSettingsResponse:
        """Add or replace the settings that are not empty."""
        request = pb.SetSettingsRequest(workspace=self.workspace, project=project, settings=settings)
        return await self._call("SetSettings", request, pb.SetSettingsResponse)

    async def remove_settings(self, project: str, names: Iterable[str]) -> pb.RemoveSettingsResponse:
        """Leave settings to the source and the defaults."""
        request = pb.RemoveSettingsRequest(workspace=self.workspace, project=project, names=names)
        return await self._call("RemoveSettings", request, pb.RemoveSettingsResponse)

    async def list_variables(self, project: str, environment: str = "") -> pb.ListVariablesResponse:
        """The variables that an environment's next deployment gets; the default environment when none is named."""
        request = pb.ListVariablesRequest(workspace=self.workspace, project=project, environment=environment)
        return await self._call("ListVariables", request, pb.ListVariablesResponse)

    async def set_variables(
        self, project: str, variables: Mapping[str, str], environment: str = ""
    ) -> pb.SetVariablesResponse:
        """Add or replace variables."""
        request = pb.SetVariablesRequest(
            workspace=self.workspace, project=project, environment=environment, variables=variables, actor=self.actor
        )
        return await self._call("SetVariables", request, pb.SetVariablesResponse)

    async def remove_variables(
        self, project: str, names: Iterable[str], environment: str = ""
    ) -> pb.RemoveVariablesResponse:
        """Remove variables."""
        request = pb.RemoveVariablesRequest(
            workspace=self.workspace, project=project, environment=environment, names=names
        )
        return await self._call("RemoveVariables", request, pb.RemoveVariablesResponse)

    async def list_secrets(self, project: str, environment: str = "") -> pb.ListSecretsResponse:
        """The secrets that an environment's next deployment gets, without their values."""
        request = pb.ListSecretsRequest(workspace=self.workspace, project=project, environment=environment)
        return await self._call("ListSecrets", request, pb.ListSecretsResponse)

    async def set_secrets(
        self, project: str, secrets: Mapping[str, str], environment: str = ""
    ) -> pb.SetSecretsResponse:
        """Add or replace secrets."""
        request = pb.SetSecretsRequest(
            workspace=self.workspace, project=project, environment=environment, secrets=secrets, actor=self.actor
        )
        return await self._call("SetSecrets", request, pb.SetSecretsResponse)

    async def remove_secrets(
        self, project: str, names: Iterable[str], environment: str = ""
    ) -> pb.RemoveSecretsResponse:
        """Give secrets to no further deployment."""
        request = pb.RemoveSecretsRequest(
            workspace=self.workspace, project=project, environment=environment, names=names
        )
        return await self._call("RemoveSecrets", request, pb.RemoveSecretsResponse)

    async def list_registry_credentials(self) -> pb.ListRegistryCredentialsResponse:
        """The credentials for private registries and git servers, without their passwords."""
        request = pb.ListRegistryCredentialsRequest(workspace=self.workspace)
        return await self._call("ListRegistryCredentials", request, pb.ListRegistryCredentialsResponse)

    async def set_registry_credential(
        self, registry: str, username: str, password: str
    ) -> pb.SetRegistryCredentialResponse:
        """Add or replace the credential of a host."""
        request = pb.SetRegistryCredentialRequest(
            workspace=self.workspace, registry=registry, username=username, password=password, actor=self.actor
        )
        return await self._call("SetRegistryCredential", request, pb.SetRegistryCredentialResponse)

    async def remove_registry_credential(self, registry: str) -> pb.RemoveRegistryCredentialResponse:
        """Forget the credential of a host."""
        request = pb.RemoveRegistryCredentialRequest(workspace=self.workspace, registry=registry)
        return await self._call("RemoveRegistryCredential", request, pb.RemoveRegistryCredentialResponse)

    async def list_domains(self, project: str) -> pb.ListDomainsResponse:
        """All domains of a project."""
        request = pb.ListDomainsRequest(workspace=self.workspace, project=project)
        return await self._call("ListDomains", request, pb.ListDomainsResponse)

    async def list_transitions(self, project: str, limit: int = 50) -> pb.ListTransitionsResponse:
        """Who did what to a project, when and why, newest first."""
        request = pb.ListTransitionsRequest(workspace=self.workspace, project=project, limit=limit)
        return await self._call("ListTransitions", request, pb.ListTransitionsResponse)

    async def logs(self, deployment_id: str, tail_lines: int = 100, *, build: bool = False) -> pb.GetLogsResponse:
        """The newest log lines of a deployment."""
        request = pb.GetLogsRequest(
            workspace=self.workspace, deployment_id=deployment_id, tail_lines=tail_lines, build=build
        )
        return await self._call("GetLogs", request, pb.GetLogsResponse)

    async def follow_logs(self, request: pb.FollowLogsRequest) -> AsyncGenerator[pb.FollowLogsResponse]:
        """The log lines that were asked for, without a deadline; the workspace is filled in. Close the generator.

        Raises Unavailable when the stream breaks: ask again with the cursors of the last lines.
        """
        request.workspace = self.workspace
        call = self._channel.unary_stream(
            f"/{CONTROL_SERVICE.full_name}/FollowLogs",
            request_serializer=pb.FollowLogsRequest.SerializeToString,
            response_deserializer=pb.FollowLogsResponse.FromString,
        )(request)
        try:
            async for line in call:
                yield line
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error.code(), error.details() or "") from error
        finally:
            call.cancel()

    async def list_attention(self) -> pb.ListAttentionResponse:
        """What needs a person."""
        request = pb.ListAttentionRequest(workspace=self.workspace)
        return await self._call("ListAttention", request, pb.ListAttentionResponse)

    async def _call(
        self, method: str, request: Message, response_type: type[Response], *, timeout: timedelta = QUICK
    ) -> Response:
        call = self._channel.unary_unary(
            f"/{CONTROL_SERVICE.full_name}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response_type.FromString,
        )
        try:
            return await call(request, timeout=timeout.total_seconds())
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error.code(), error.details() or "") from error


def _patience(request: pb.RollbackRequest | pb.PromoteRequest) -> timedelta:
    return QUEUED if request.no_preempt else OPERATION
