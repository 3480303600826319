"""Builds with BuildKit. It leaves no layer images, so there is little to remove, but a build must be cancelled."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from contextlib import closing

from services.domain.errors import InterlockError, PreconditionFailed
from services.krane.backends.docker.building.auth import CREDENTIALS, Auth
from services.krane.backends.docker.building.dockerfile import prepare_dockerfile
from services.krane.backends.docker.building.filesync import CONTEXT, DIFF_COPY, DOCKERFILES, FileSync
from services.krane.backends.docker.building.images import END_SECONDS, BuiltImages, see_cleared
from services.krane.backends.docker.building.output import BuildKitOutput
from services.krane.backends.docker.building.request import BuildRequest
from services.krane.backends.docker.building.session import serving
from services.krane.backends.docker.building.source import DOCKERFILE
from services.krane.backends.docker.building.tree import Tree, one_file
from services.krane.backends.docker.engine import Engine
from services.telemetry import get_logger

log = get_logger(__name__)


class BuildKitBuilder:
    """The builder of current engines."""

    def __init__(self, engine: Engine, images: BuiltImages) -> None:
        self._engine = engine
        self._images = images

    async def build(self, request: BuildRequest) -> str:
        """Build and tag an image. Here labels can be part of the request."""
        dockerfile = prepare_dockerfile(request.dockerfile)
        output = BuildKitOutput(request.work.log)
        try:
            with closing(await asyncio.to_thread(request.tree)) as source:
                folders = {CONTEXT: source, DOCKERFILES: one_file(DOCKERFILE, dockerfile.text)}
                await self._run_to_the_end(request, folders, output)
        finally:
            if not output.image_id:
                await see_cleared(request.work.build_id, self._images.clear_untagged(request.work.build_id))
        if output.failure:
            raise PreconditionFailed(dockerfile.with_own_lines(output.failure))
        return output.image_id

    async def _run_to_the_end(self, request: BuildRequest, folders: Mapping[str, Tree], output: BuildKitOutput) -> None:
        """Build, and wait until the build has ended, also when cancelled.

        BuildKit's commands run in no container that krane could find. They have ended when the request is answered.
        """
        build_id = secrets.token_hex(16)
        building = asyncio.create_task(self._run(build_id, request, folders, output))
        try:
            await asyncio.shield(building)
        finally:
            if not building.done():
                await self._end(build_id, building)

    async def _run(
        self, build_id: str, request: BuildRequest, folders: Mapping[str, Tree], output: BuildKitOutput
    ) -> None:
        methods = {
            DIFF_COPY: FileSync(folders).diff_copy,
            CREDENTIALS: Auth(request.work.credentials).answer,
        }
        query = {
            "version": "2",
            "buildid": build_id,
            "session": build_id,
            "remote": "client-session",
            "dockerfile": DOCKERFILE,
            "t": request.tag,
            "labels": json.dumps(request.labels),
        }
        async with (
            self._engine.session(build_id, methods) as (reader, writer),
            serving(reader, writer, methods),
            self._engine.build(query) as progress,
        ):
            async for one in progress:
                output.take(one)

    async def _end(self, build_id: str, building: asyncio.Task[None]) -> None:
        try:
            await self._engine.cancel_build(build_id)
            await asyncio.wait([building], timeout=END_SECONDS)
        except InterlockError as error:
            log.warning("a build could not be cancelled", reason=error.message)
        finally:
            # Closing the request also ends the build.
            building.cancel()
            await asyncio.gather(building, return_exceptions=True)
