"""Builds by BuildKit. It makes no images but whole ones, so there is little to clear up; but it must be told to end."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from pathlib import PurePosixPath

from services.domain.errors import InterlockError, PreconditionFailed
from services.domain.images import registry_of
from services.krane.backends.docker.building.context import DOCKERFILE
from services.krane.backends.docker.building.dockerfile import images_named, prepare_dockerfile
from services.krane.backends.docker.building.images import BuiltImages
from services.krane.backends.docker.building.order import Order
from services.krane.backends.docker.building.output import BuildKitOutput
from services.krane.backends.docker.building.source import DOCKERFILE as OWN_DOCKERFILE
from services.krane.backends.docker.credentials import registry_auth
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import NAME, complete_name
from services.krane.backends.shared.builder import BuildWork
from services.telemetry import get_logger

log = get_logger(__name__)

# So long the engine gets to end what a build runs that was given up.
END_SECONDS = 4.0


class BuildKitBuilder:
    """The builder of today's engines."""

    def __init__(self, engine: Engine, images: BuiltImages) -> None:
        self._engine = engine
        self._images = images

    async def build(self, order: Order) -> None:
        """Build and tag an image; labels cost nothing here."""
        dockerfile, name = prepare_dockerfile(order.dockerfile), _dockerfile_name(order)
        await self._pull_private(order.work, dockerfile.text)
        query = {
            "version": "2",
            "dockerfile": name,
            "t": order.tag,
            "labels": json.dumps(order.labels),
            "buildid": secrets.token_hex(16),
        }
        output = BuildKitOutput(order.work.log)
        is_built = False
        try:
            await self._run_to_the_end(query, order.context({name: dockerfile.text}), output)
            is_built = not output.failure
        finally:
            if not is_built:
                await asyncio.shield(self._clear(order.work))
        if output.failure:
            raise PreconditionFailed(dockerfile.with_own_lines(output.failure))

    async def _pull_private(self, work: BuildWork, dockerfile: str) -> None:
        """Fetch what is of private registries: BuildKit itself cannot log in to them without a session."""
        credentials = {credential.registry: credential for credential in work.credentials}
        for name in [complete_name(image) for image in images_named(dockerfile) if NAME.fullmatch(image)]:
            credential = credentials.get(registry_of(name) or "")
            if credential is not None and await self._engine.inspect_image(name) is None:
                work.log.say(f"pulling {name}")
                await self._engine.pull_image(name, registry_auth=registry_auth(name, credential))

    async def _run_to_the_end(
        self, query: Mapping[str, str], context: AsyncGenerator[bytes], output: BuildKitOutput
    ) -> None:
        """Build, until the end is heard, also when cancelled.

        What BuildKit runs is no container that could be looked for. It ends with the answer to the request to build.
        """
        building = asyncio.create_task(self._run(query, context, output))
        try:
            await asyncio.shield(building)
        finally:
            if not building.done():
                await self._end(query["buildid"], building)

    async def _run(self, query: Mapping[str, str], context: AsyncGenerator[bytes], output: BuildKitOutput) -> None:
        async with self._engine.build(query, context) as progress:
            async for one in progress:
                output.take(one)

    async def _end(self, build_id: str, building: asyncio.Task[None]) -> None:
        try:
            await self._engine.cancel_build(build_id)
            await asyncio.wait([building], timeout=END_SECONDS)
        except InterlockError as error:
            log.warning("a build could not be cancelled", reason=error.message)
        finally:
            # Nobody listens to it any more, which ends it as well.
            building.cancel()
            await asyncio.gather(building, return_exceptions=True)

    async def _clear(self, work: BuildWork) -> None:
        try:
            await self._images.clear_untagged(work.build_id)
        except InterlockError as error:
            # The next pass of pruning does it.
            log.warning("what a build left could not be removed", build_id=work.build_id, reason=error.message)


def _dockerfile_name(order: Order) -> str:
    """Where the Dockerfile is in the context: in the place of the author's, if that is not to be left out.

    BuildKit follows no .dockerignore in a tar, and copies what krane adds with everything.
    """
    is_kept = order.has_own_dockerfile and not order.ignored(PurePosixPath(OWN_DOCKERFILE))
    return OWN_DOCKERFILE if is_kept else DOCKERFILE
