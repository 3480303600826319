"""Secrets of environments, encrypted, in versions.

A deployment names the versions that were current when it was recorded, so that it can be started again with them. A
version that is not current stays only as long as a deployment that runs, or can be started again, names it.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.ids import new_id
from services.db.tables import Deployment, SecretVersion, Variable
from services.domain.errors import Conflict, NotFound, PreconditionFailed
from services.domain.status import GONE
from services.keyring import Sealed


def seal_context(environment_id: str, name: str) -> str:
    """What a value is sealed for: put in another environment's or secret's place, it cannot be opened."""
    return f"secret {name} of environment {environment_id}"


async def list_secrets(session: AsyncSession, environment_id: str) -> Sequence[SecretVersion]:
    """The current version of each secret of an environment, by name."""
    query = select(SecretVersion).where(SecretVersion.environment_id == environment_id, SecretVersion.is_current)
    return (await session.scalars(query.order_by(SecretVersion.name))).all()


async def set_secrets(
    session: AsyncSession, environment_id: str, secrets: Mapping[str, Sealed], *, created_by: str
) -> None:
    """Add a version of each, which becomes the current one. Raises Conflict when a name is a variable's."""
    taken = await session.scalar(
        select(Variable.name).where(Variable.environment_id == environment_id, Variable.name.in_(secrets))
    )
    if taken is not None:
        raise Conflict(f"{taken} is a variable of this environment; remove it first, or choose another name")
    for name, sealed in secrets.items():
        versions = SecretVersion.environment_id == environment_id, SecretVersion.name == name
        last = await session.scalar(select(func.max(SecretVersion.version)).where(*versions))
        await session.execute(update(SecretVersion).where(*versions).values(is_current=False))
        session.add(
            SecretVersion(
                id=new_id("sv"),
                environment_id=environment_id,
                name=name,
                version=(last or 0) + 1,
                is_current=True,
                key_id=sealed.key_id,
                ciphertext=sealed.ciphertext,
                created_by=created_by,
                created_at_ms=now_ms(),
            )
        )
    await _forget_unneeded(session, environment_id)


async def remove_secrets(session: AsyncSession, environment_id: str, names: Collection[str]) -> None:
    """Give them to no further deployment; raises NotFound when one of them is not set."""
    known = {row.name for row in await list_secrets(session, environment_id)}
    for name in names:
        if name not in known:
            raise NotFound(f"secret {name} is not set in this environment; see `interlock secrets ls`")
    await session.execute(
        update(SecretVersion)
        .where(SecretVersion.environment_id == environment_id, SecretVersion.name.in_(names))
        .values(is_current=False)
    )
    await _forget_unneeded(session, environment_id)


async def find_versions(session: AsyncSession, ids: Collection[str]) -> Sequence[SecretVersion]:
    """Those of these versions that are still there, by name."""
    query = select(SecretVersion).where(SecretVersion.id.in_(ids)).order_by(SecretVersion.name)
    return (await session.scalars(query)).all()


async def load_versions(session: AsyncSession, ids: Collection[str]) -> Sequence[SecretVersion]:
    """These versions, by name; raises PreconditionFailed when one is gone."""
    rows = await find_versions(session, ids)
    gone = set(ids) - {row.id for row in rows}
    if gone:
        raise PreconditionFailed(f"secret version {min(gone)} was removed; create a new deployment")
    return rows


async def _forget_unneeded(session: AsyncSession, environment_id: str) -> None:
    await session.flush()
    references = await session.scalars(
        select(Deployment.secrets).where(Deployment.environment_id == environment_id, Deployment.status.not_in(GONE))
    )
    needed = {version for reference in references for version in reference.values()}
    await session.execute(
        delete(SecretVersion).where(
            SecretVersion.environment_id == environment_id,
            ~SecretVersion.is_current,
            SecretVersion.id.not_in(needed),
        )
    )
