"""Credentials of a workspace for private registries and git servers, one for each host, with their passwords encrypted.

A host that is both has one. Deployments do not keep them: whoever pulls an image or fetches a commit does it with what
is set at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.clock import now_ms
from services.db.tables import RegistryCredential, Workspace
from services.domain.errors import NotFound
from services.keyring import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLogin:
    """What a host is asked with, its password still sealed."""

    username: str
    password: Sealed


def seal_context(workspace_id: str, registry: str) -> str:
    """What a password is sealed for: put in another workspace's or registry's place, it cannot be opened."""
    return f"password for registry {registry} of workspace {workspace_id}"


async def list_credentials(session: AsyncSession, workspace_id: str) -> Sequence[RegistryCredential]:
    """Those of a workspace, by registry."""
    query = select(RegistryCredential).where(RegistryCredential.workspace_id == workspace_id)
    return (await session.scalars(query.order_by(RegistryCredential.host))).all()


async def list_credentials_of(session: AsyncSession, workspace: str) -> Sequence[RegistryCredential]:
    """Those of the workspace of that slug, by registry; none when there is no such workspace."""
    query = select(RegistryCredential).join(Workspace, RegistryCredential.workspace_id == Workspace.id)
    return (await session.scalars(query.where(Workspace.slug == workspace).order_by(RegistryCredential.host))).all()


async def find_credential(session: AsyncSession, workspace_id: str, registry: str) -> RegistryCredential | None:
    """The one of a registry."""
    return await session.get(RegistryCredential, (workspace_id, registry))


async def set_credential(
    session: AsyncSession, workspace_id: str, registry: str, login: SealedLogin, *, updated_by: str
) -> RegistryCredential:
    """Add or replace the credential of a registry."""
    known = await find_credential(session, workspace_id, registry)
    return await session.merge(
        RegistryCredential(
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
    """Forget the credential of a registry, in the workspace of that slug; raises NotFound when it is not set."""
    known = {row.host: row for row in await list_credentials_of(session, workspace)}
    if registry not in known:
        raise NotFound(f"workspace {workspace!r} has no credential for {registry}; see `interlock credentials ls`")
    await session.delete(known[registry])
