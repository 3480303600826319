"""Secrets of environments, encrypted, in versions.

A deployment refers to the versions that were current at its creation, so that it can be started again with them. An
older version is deleted when no deployment that runs or can be started again refers to it.
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
    """Return the encryption context. A value moved to another environment or name cannot be decrypted."""
    return f"secret {name} of environment {environment_id}"


async def list_secrets(session: AsyncSession, environment_id: str) -> Sequence[SecretVersion]:
    """List the current versions of an environment's secrets, by name."""
    query = select(SecretVersion).where(SecretVersion.environment_id == environment_id, SecretVersion.is_current)
    return (await session.scalars(query.order_by(SecretVersion.name))).all()


async def set_secrets(
    session: AsyncSession, environment_id: str, secrets: Mapping[str, Sealed], *, created_by: str
) -> None:
    """Add a new current version of each secret. Raises Conflict if a variable has the same name."""
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
    await _delete_unused_versions(session, environment_id)


async def remove_secrets(session: AsyncSession, environment_id: str, names: Collection[str]) -> None:
    """Remove secrets from the environment; raises NotFound if one is not set. Existing deployments keep them."""
    known = {row.name for row in await list_secrets(session, environment_id)}
    for name in names:
        if name not in known:
            raise NotFound(f"secret {name} is not set in this environment; see `interlock secrets ls`")
    await session.execute(
        update(SecretVersion)
        .where(SecretVersion.environment_id == environment_id, SecretVersion.name.in_(names))
        .values(is_current=False)
    )
    await _delete_unused_versions(session, environment_id)


async def find_versions(session: AsyncSession, ids: Collection[str]) -> Sequence[SecretVersion]:
    """List those of these versions that still exist, by name."""
    query = select(SecretVersion).where(SecretVersion.id.in_(ids)).order_by(SecretVersion.name)
    return (await session.scalars(query)).all()


async def load_versions(session: AsyncSession, ids: Collection[str]) -> Sequence[SecretVersion]:
    """List these versions, by name; raises PreconditionFailed if one was removed."""
    rows = await find_versions(session, ids)
    gone = set(ids) - {row.id for row in rows}
    if gone:
        raise PreconditionFailed(f"secret version {min(gone)} was removed; create a new deployment")
    return rows


async def _delete_unused_versions(session: AsyncSession, environment_id: str) -> None:
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
