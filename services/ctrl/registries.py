"""API methods for credentials of private registries and git servers. Passwords are never returned."""

from services.ctrl.checks import check_actor, check_workspace
from services.ctrl.messages import registry_credential_message
from services.db.engine import Database
from services.db.projects import ensure_workspace
from services.db.registry_credentials import (
    SealedLogin,
    list_credentials_of,
    remove_credential,
    seal_context,
    set_credential,
)
from services.domain.images import check_host, check_login
from services.gen.ctrl.v1 import control_pb2 as pb
from services.keyring import Keyring


class CredentialApi:
    """The methods of ctrl.v1.ControlService for credentials."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def ListRegistryCredentials(
        self, request: pb.ListRegistryCredentialsRequest
    ) -> pb.ListRegistryCredentialsResponse:
        """List the credentials of a workspace, without passwords."""
        async with self._database.read() as session:
            rows = await list_credentials_of(session, check_workspace(request.workspace))
        return pb.ListRegistryCredentialsResponse(credentials=[registry_credential_message(row) for row in rows])

    async def SetRegistryCredential(self, request: pb.SetRegistryCredentialRequest) -> pb.SetRegistryCredentialResponse:
        """Add or replace the credential of one host."""
        workspace, actor = check_workspace(request.workspace), check_actor(request.actor)
        host = check_host(request.registry)
        check_login(request.username, request.password)
        async with self._database.write() as session:
            workspace_id = await ensure_workspace(session, workspace)
            sealed = self._keyring.seal(request.password, seal_context(workspace_id, host))
            login = SealedLogin(username=request.username, password=sealed)
            row = await set_credential(session, workspace_id, host, login, updated_by=actor)
            return pb.SetRegistryCredentialResponse(credential=registry_credential_message(row))

    async def RemoveRegistryCredential(
        self, request: pb.RemoveRegistryCredentialRequest
    ) -> pb.RemoveRegistryCredentialResponse:
        """Remove the credential of one host."""
        async with self._database.write() as session:
            await remove_credential(session, check_workspace(request.workspace), check_host(request.registry))
        return pb.RemoveRegistryCredentialResponse()
