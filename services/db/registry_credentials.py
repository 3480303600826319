"""Credentials of a workspace for private registries and git servers, with encrypted passwords.

There is one per host, also if the host is both. Deployments do not store credentials: each pull or fetch uses the
current one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.tables import SealedCredential, Workspace
from services.domain.errors import NotFound
from services.keyring import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLogin:
    """Username and encrypted password for a host."""

    username: str
    password: Sealed


def seal_context(workspace_id: str, registry: str) -> str:
    """Return the encryption context. A password moved to another workspace or host cannot be decrypted."""
    return f"password for registry {registry} of workspace {workspace_id}"


async def list_credentials(session: AsyncSession, workspace_id: str) -> Sequence[SealedCredential]:
    """List the credentials of a workspace, by host."""
    query = select(SealedCredential).where(SealedCredential.workspace_id == workspace_id)
    return (await session.scalars(query.order_by(SealedCredential.host))).all()


async def list_credentials_of(session: AsyncSession, workspace: str) -> Sequence[SealedCredential]:
    """List the credentials of a workspace (by slug), by host; empty if there is no such workspace."""
    query = select(SealedCredential).join(Workspace, SealedCredential.workspace_id == Workspace.id)
    return (await session.scalars(query.where(Workspace.slug == workspace).order_by(SealedCredential.host))).all()


async def find_credential(session: AsyncSession, workspace_id: str, registry: str) -> SealedCredential | None:
    """Return the credential of a host; None if there is none."""
    return await session.get(SealedCredential, (workspace_id, registry))


async def set_credential(
    session: AsyncSession, workspace_id: str, registry: str, login: SealedLogin, *, updated_by: str
) -> SealedCredential:
    """Add or replace the credential of a host."""
    known = await find_credential(session, workspace_id, registry)
    return await session.merge(
        SealedCredential(
            workspace_id=workspace_id,
            host=registry,
            username=login.username,
            key_id=login.password.key_id,
            ciphertext=login.password.ciphertext,
            version=known.version + 1 if known else 1,
            updated_by=updated_by,
            updated_at_ms=now_ms(),
        )
    )


async def remove_credential(session: AsyncSession, workspace: str, registry: str) -> None:
    """Delete the credential of a host in a workspace (by slug); raises NotFound if there is none."""
    known = {row.host: row for row in await list_credentials_of(session, workspace)}
    if registry not in known:
        raise NotFound(f"workspace {workspace!r} has no credential for {registry}; see `interlock credentials ls`")
    await session.delete(known[registry])
