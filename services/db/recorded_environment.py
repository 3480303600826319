"""The environment that a deployment was recorded with, and keeps: its variables, and the versions of its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.db.secrets import list_secrets, load_versions
from services.db.tables import Deployment, SecretVersion
from services.db.variables import list_variables
from services.domain.variables import check_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEnvironment:
    """What instances of a deployment get, its secrets still sealed."""

    variables: Mapping[str, str]
    secrets: Sequence[SecretVersion]


async def record_environment(session: AsyncSession, deployment: Deployment, requested: Mapping[str, str]) -> None:
    """Copy the environment's variables and secrets into the row. What was requested wins over both.

    Raises Invalid when that is too much.
    """
    known = {row.name: row.value for row in await list_variables(session, deployment.environment_id)}
    variables = known | dict(requested)
    check_variables(variables)
    deployment.variables = variables
    deployment.secrets = {
        row.name: row.id for row in await list_secrets(session, deployment.environment_id) if row.name not in requested
    }


def add_source_variables(deployment: Deployment, said: Mapping[str, str]) -> None:
    """Add the variables that only the source has. Raises Invalid when that is too much together."""
    own = {name: value for name, value in said.items() if name not in deployment.secrets}
    variables = own | deployment.variables
    check_variables(variables)
    deployment.variables = variables


async def load_environment(session: AsyncSession, deployment_id: str) -> RecordedEnvironment:
    """Read it back; raises PreconditionFailed when a secret's version is gone."""
    row = await session.get_one(Deployment, deployment_id)
    return RecordedEnvironment(variables=row.variables, secrets=await load_versions(session, row.secrets.values()))
