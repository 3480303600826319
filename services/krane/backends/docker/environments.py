"""Stores the environments of deployments, for containers that are created later.

A container holds its own environment; the stored one is needed only to replace a container. It may be secret, so each
deployment has a file that only its owner can read, and never a label.
"""

import asyncio
from collections.abc import Mapping

from pydantic import TypeAdapter

from services.domain.errors import PreconditionFailed, Unavailable
from services.krane.backends.shared.files import Record
from services.krane.backends.shared.folders import Folders
from services.krane.types import DeploymentSpec, digest_environment

_ENVIRONMENT = TypeAdapter(dict[str, str])


class Environments:
    """One file for each deployment with variables."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def keep(self, spec: DeploymentSpec, environment: Mapping[str, str]) -> None:
        """Store the environment. Raises Unavailable if that is not possible now."""
        if not environment:
            return
        try:
            await asyncio.to_thread(self._record(spec).write, dict(environment))
        except OSError as error:
            raise Unavailable(f"the environment of {spec.deployment_id} could not be written down") from error

    async def find(self, spec: DeploymentSpec) -> dict[str, str]:
        """Return the environment. Raises PreconditionFailed if it is lost."""
        environment = await asyncio.to_thread(self._record(spec).read) or {}
        if digest_environment(environment) != spec.environment_digest:
            raise PreconditionFailed(f"the environment of {spec.deployment_id} was lost: delete it and create it again")
        return environment

    def _record(self, spec: DeploymentSpec) -> Record[dict[str, str]]:
        return Record(self._folders.deployments / spec.deployment_id / "environment.json", _ENVIRONMENT)
