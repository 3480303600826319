"""Environment variables of environments. A new deployment copies them; see `recorded_environment`."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.tables import SecretVersion, Variable
from services.domain.errors import Conflict, NotFound
from services.domain.variables import check_variables


async def list_variables(session: AsyncSession, environment_id: str) -> Sequence[Variable]:
    """List the variables of an environment, by name."""
    query = select(Variable).where(Variable.environment_id == environment_id).order_by(Variable.name)
    return (await session.scalars(query)).all()


async def set_variables(
    session: AsyncSession, environment_id: str, variables: Mapping[str, str], *, updated_by: str
) -> None:
    """Add or replace variables. Raises Conflict if a secret has the same name, Invalid if limits are exceeded."""
    taken = await session.scalar(
        select(SecretVersion.name).where(
            SecretVersion.environment_id == environment_id,
            SecretVersion.is_current,
            SecretVersion.name.in_(variables),
        )
    )
    if taken is not None:
        raise Conflict(f"{taken} is a secret of this environment; remove it first, or choose another name")
    rows = {row.name: row for row in await list_variables(session, environment_id)}
    check_variables({name: row.value for name, row in rows.items()} | dict(variables))
    for name, value in variables.items():
        row = rows.get(name)
        if row is None:
            row = Variable(environment_id=environment_id, name=name)
            session.add(row)
        row.value, row.updated_by, row.updated_at_ms = value, updated_by, now_ms()


async def remove_variables(session: AsyncSession, environment_id: str, names: Collection[str]) -> None:
    """Remove variables; raises NotFound if one is not set."""
    known = {row.name for row in await list_variables(session, environment_id)}
    for name in names:
        if name not in known:
            raise NotFound(f"variable {name} is not set in this environment; see `interlock env ls`")
    await session.execute(delete(Variable).where(Variable.environment_id == environment_id, Variable.name.in_(names)))
