"""API methods for the settings of projects, and the variables and secrets of environments.

Values of secrets are never returned.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from services.ctrl import defaults
from services.ctrl.checks import check_actor, check_project, check_run_settings, check_workspace
from services.ctrl.messages import secret_message, settings_message, variable_message
from services.db.engine import Database
from services.db.project_settings import change_settings, read_settings, remove_settings
from services.db.projects import find_environment, find_project
from services.db.secrets import list_secrets, remove_secrets, seal_context, set_secrets
from services.db.tables import Project
from services.db.variables import list_variables, remove_variables, set_variables
from services.domain.errors import Invalid
from services.domain.ids import check_slug
from services.domain.settings import check_setting_name
from services.domain.variables import check_names, check_variables
from services.gen.ctrl.v1 import control_pb2 as pb
from services.keyring import Keyring


class _Owner(Protocol):
    """A request that names a project."""

    workspace: str
    project: str


class _Place(_Owner, Protocol):
    """A request that names an environment of a project."""

    environment: str


class ConfigurationApi:
    """The methods of ctrl.v1.ControlService for settings, variables and secrets."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def GetSettings(self, request: pb.GetSettingsRequest) -> pb.GetSettingsResponse:
        """Return the settings of a project."""
        async with self._database.read() as session:
            project = await _project(session, request)
            return pb.GetSettingsResponse(settings=settings_message(read_settings(project)))

    async def SetSettings(self, request: pb.SetSettingsRequest) -> pb.SetSettingsResponse:
        """Add or replace settings, all or none."""
        settings = check_run_settings(request.settings)
        _check_some(settings.set_fields())
        async with self._database.write() as session:
            project = await _project(session, request)
            change_settings(project, settings)
            return pb.SetSettingsResponse(settings=settings_message(read_settings(project)))

    async def RemoveSettings(self, request: pb.RemoveSettingsRequest) -> pb.RemoveSettingsResponse:
        """Remove settings, all or none."""
        _check_some(request.names)
        names = [check_setting_name(name) for name in request.names]
        async with self._database.write() as session:
            project = await _project(session, request)
            remove_settings(project, names)
            return pb.RemoveSettingsResponse(settings=settings_message(read_settings(project)))

    async def ListVariables(self, request: pb.ListVariablesRequest) -> pb.ListVariablesResponse:
        """List the variables that the environment's next deployment gets."""
        async with self._database.read() as session:
            rows = await list_variables(session, await _environment_id(session, request))
        return pb.ListVariablesResponse(variables=[variable_message(row) for row in rows])

    async def SetVariables(self, request: pb.SetVariablesRequest) -> pb.SetVariablesResponse:
        """Add or replace variables, all or none."""
        variables, actor = _check_values(request.variables), check_actor(request.actor)
        async with self._database.write() as session:
            await set_variables(session, await _environment_id(session, request), variables, updated_by=actor)
        return pb.SetVariablesResponse()

    async def RemoveVariables(self, request: pb.RemoveVariablesRequest) -> pb.RemoveVariablesResponse:
        """Remove variables, all or none."""
        _check_some(request.names)
        check_names(request.names)
        async with self._database.write() as session:
            await remove_variables(session, await _environment_id(session, request), request.names)
        return pb.RemoveVariablesResponse()

    async def ListSecrets(self, request: pb.ListSecretsRequest) -> pb.ListSecretsResponse:
        """List the secrets, without values, that the environment's next deployment gets."""
        async with self._database.read() as session:
            rows = await list_secrets(session, await _environment_id(session, request))
        return pb.ListSecretsResponse(secrets=[secret_message(row) for row in rows])

    async def SetSecrets(self, request: pb.SetSecretsRequest) -> pb.SetSecretsResponse:
        """Add versions of secrets, all or none."""
        values, actor = _check_values(request.secrets), check_actor(request.actor)
        async with self._database.write() as session:
            environment_id = await _environment_id(session, request)
            sealed = {
                name: self._keyring.seal(value, seal_context(environment_id, name)) for name, value in values.items()
            }
            await set_secrets(session, environment_id, sealed, created_by=actor)
        return pb.SetSecretsResponse()

    async def RemoveSecrets(self, request: pb.RemoveSecretsRequest) -> pb.RemoveSecretsResponse:
        """Remove secrets, all or none. Existing deployments keep them."""
        _check_some(request.names)
        check_names(request.names)
        async with self._database.write() as session:
            await remove_secrets(session, await _environment_id(session, request), request.names)
        return pb.RemoveSecretsResponse()


async def _environment_id(session: AsyncSession, place: _Place) -> str:
    slug = check_slug("environment", place.environment or defaults.ENVIRONMENT)
    return (await find_environment(session, await _project(session, place), slug)).id


async def _project(session: AsyncSession, owner: _Owner) -> Project:
    return await find_project(session, check_workspace(owner.workspace), check_project(owner.project))


def _check_values(values: Mapping[str, str]) -> dict[str, str]:
    _check_some(values)
    check_variables(values)
    return dict(values)


def _check_some(names: Collection[str]) -> None:
    if not names:
        raise Invalid("the request names nothing: send at least one name")
