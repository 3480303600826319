"""The environment variables that deployments were created with, for containers that are made later.

A container carries them itself, so that only one that has to be replaced needs them from here. They may be secret: one
file for each deployment, for its owner alone, and never a label.
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
    """One file for each deployment that was given variables."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    async def keep(self, spec: DeploymentSpec, environment: Mapping[str, str]) -> None:
        """Write them down. Raises Unavailable when that is not possible now."""
        if not environment:
            return
        try:
            await asyncio.to_thread(self._record(spec).write, dict(environment))
        except OSError as error:
            raise Unavailable(f"the environment of {spec.deployment_id} could not be written down") from error

    async def find(self, spec: DeploymentSpec) -> dict[str, str]:
        """Read them back. Raises PreconditionFailed when they are lost."""
        environment = await asyncio.to_thread(self._record(spec).read) or {}
        if digest_environment(environment) != spec.environment_digest:
            raise PreconditionFailed(f"the environment of {spec.deployment_id} was lost: delete it and create it again")
        return environment

    def _record(self, spec: DeploymentSpec) -> Record[dict[str, str]]:
        return Record(self._folders.deployments / spec.deployment_id / "environment.json", _ENVIRONMENT)
