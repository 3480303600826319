"""The environment captured with a deployment: its variables, and the versions of its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.db.secrets import list_secrets, load_versions
from services.db.tables import Deployment, SecretVersion
from services.db.variables import list_variables
from services.domain.variables import check_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEnvironment:
    """The environment of a deployment's instances; secrets are still encrypted."""

    variables: Mapping[str, str]
    secrets: Sequence[SecretVersion]


async def record_environment(session: AsyncSession, deployment: Deployment, requested: Mapping[str, str]) -> None:
    """Copy the environment's variables and secrets to the row. Requested variables replace those of the same name.

    Raises Invalid if the variables exceed the limits.
    """
    known = {row.name: row.value for row in await list_variables(session, deployment.environment_id)}
    variables = known | dict(requested)
    check_variables(variables)
    deployment.variables = variables
    deployment.secrets = {
        row.name: row.id for row in await list_secrets(session, deployment.environment_id) if row.name not in requested
    }


def add_source_variables(deployment: Deployment, source_variables: Mapping[str, str]) -> None:
    """Add those variables of the source that are not set yet. Raises Invalid if all together exceed the limits."""
    own = {name: value for name, value in source_variables.items() if name not in deployment.secrets}
    variables = own | deployment.variables
    check_variables(variables)
    deployment.variables = variables


async def load_environment(session: AsyncSession, deployment_id: str) -> RecordedEnvironment:
    """Return the environment of a deployment; raises PreconditionFailed if the version of a secret was removed."""
    row = await session.get_one(Deployment, deployment_id)
    return RecordedEnvironment(variables=row.variables, secrets=await load_versions(session, row.secrets.values()))
