"""One build after the other, each over the API of the engine, with nothing left of it unless it succeeds."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from services.config import KraneSettings
from services.domain.errors import InterlockError, Invalid, PreconditionFailed, Unavailable
from services.domain.images import registry_of
from services.krane.backends.docker.building.context import DOCKERFILE, in_background, pack_context, read_ignore
from services.krane.backends.docker.building.detection import BaseImages, start_command, write_dockerfile
from services.krane.backends.docker.building.dockerfile import Dockerfile, base_images, prepare_dockerfile
from services.krane.backends.docker.building.images import BuiltImages, Traces
from services.krane.backends.docker.building.output import BuildKitOutput, BuildOutput, ClassicOutput
from services.krane.backends.docker.building.source import DOCKERFILE as OWN_DOCKERFILE
from services.krane.backends.docker.building.source import DOCKERIGNORE, Source, read_source
from services.krane.backends.docker.credentials import registry_auth, registry_config
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import NAME, complete_name
from services.krane.backends.shared.app_config import AppConfig, parse_app_config
from services.krane.backends.shared.builder import BuildLog, BuildWork, BuiltImage
from services.telemetry import get_logger

log = get_logger(__name__)

# Part of every image's key: a change of how krane builds makes other images. Count up with it.
BUILDER = "docker-3"
# Characters of the address of a request, which holds them; httpx takes 64 KiB of it.
MAX_LABELS = 60_000
# So long the engine gets to end what a build runs that was given up.
END_SECONDS = 4.0


class DockerBuilder:
    """Makes the images of the docker backend."""

    asks_registries = True

    def __init__(self, engine: Engine, images: BuiltImages, settings: KraneSettings) -> None:
        self._engine = engine
        self._images = images
        self._base = BaseImages(python=settings.python_base_image, node=settings.node_base_image)
        self._max_source_bytes = settings.max_source_bytes
        self._memory_mib = settings.build_memory_mib
        self._version = "2" if settings.buildkit else "1"

    async def find(self, source_digest: str) -> BuiltImage | None:
        """The image that a source has become."""
        return await self._images.find(self._key(source_digest))

    async def make(self, work: BuildWork) -> BuiltImage:
        """Have the engine build an image."""
        source = await asyncio.to_thread(read_source, work.archive, self._max_source_bytes)
        app, key = self._app(source), self._key(work.source_digest)
        text, labels = self._dockerfile(source, app, work.log), self._images.labels(work, key, app)
        if len(quote(json.dumps(labels))) > MAX_LABELS:
            raise Invalid("interlock.toml says more than an image can keep: set its variables with `interlock env`")
        if self._version == "1":
            dockerfile, labels = prepare_dockerfile(text, self._images.stage_label, labels), {}
        else:
            dockerfile = prepare_dockerfile(text, "", {})
            await self._pull_bases(work, dockerfile)
        async with self._images.tracing(work.source_digest) as traces:
            image = None
            try:
                await self._build(work, source, dockerfile, labels, traces)
                image = await self._images.find(self._key(work.source_digest))
            finally:
                if image is None:
                    await self._clear(work, traces)
        if image is None:
            raise Unavailable("the Docker Engine ended the build without an image: deploy again")
        return image

    async def clear(self, folders: list[Path]) -> None:
        """Remove what builds had made when an earlier krane was killed. It carries labels, whichever build it was."""
        await self._images.clear_all()

    def _key(self, source_digest: str) -> str:
        inputs = (BUILDER, self._version, self._base.python, self._base.node, source_digest)
        return hashlib.sha256(" ".join(inputs).encode()).hexdigest()

    def _app(self, source: Source) -> AppConfig:
        """What the image is to remember. How it is started a Dockerfile says itself."""
        app = parse_app_config(source.files)
        return replace(app, command=() if OWN_DOCKERFILE in source.files else start_command(source, app))

    def _dockerfile(self, source: Source, app: AppConfig, build_log: BuildLog) -> str:
        if OWN_DOCKERFILE in source.files:
            return source.text(OWN_DOCKERFILE)
        written = write_dockerfile(source, app, self._base)
        build_log.say("the source has no Dockerfile; it is built with this one:")
        for line in written.splitlines():
            build_log.say(f"  {line}")
        return written

    async def _pull_bases(self, work: BuildWork, dockerfile: Dockerfile) -> None:
        """Fetch what is of private registries: BuildKit itself cannot log in to them."""
        credentials = {credential.registry: credential for credential in work.credentials}
        names = [complete_name(image) for image in base_images(dockerfile.text) if NAME.fullmatch(image)]
        for name in names:
            credential = credentials.get(registry_of(name) or "")
            if credential is not None and await self._engine.inspect_image(name) is None:
                work.log.say(f"pulling {name}")
                await self._engine.pull_image(name, registry_auth=registry_auth(name, credential))

    async def _build(
        self, work: BuildWork, source: Source, dockerfile: Dockerfile, labels: Mapping[str, str], traces: Traces
    ) -> None:
        ignored = read_ignore(source.text(DOCKERIGNORE))
        context = in_background(pack_context(work.archive, self._max_source_bytes, ignored, dockerfile.text))
        query = {
            "version": self._version,
            "dockerfile": DOCKERFILE,
            "t": self._images.tag(self._key(work.source_digest)),
            "labels": json.dumps(labels),
        }
        if self._version == "1":
            output = ClassicOutput(work.log, traces, self._memory_mib)
            await self._run(query | self._limits, context, output, registry_config(work.credentials))
        else:
            output = BuildKitOutput(work.log)
            await self._run_to_the_end(query, context, output)
        if output.failure:
            raise PreconditionFailed(dockerfile.with_own_lines(output.failure))

    @property
    def _limits(self) -> dict[str, str]:
        """What the classic builder keeps to. BuildKit reads none of it."""
        memory = str(self._memory_mib << 20)
        return {
            "memory": memory,
            # Memory and swap together: no swap.
            "memswap": memory,
            # No container stays, whether its instruction succeeds or not.
            "rm": "1",
            "forcerm": "1",
        }

    async def _run(
        self, query: Mapping[str, str], context: AsyncGenerator[bytes], output: BuildOutput, registry_config: str = ""
    ) -> None:
        """Build, until the end is heard. Who is cancelled ends the build, and does not wait for that."""
        async with self._engine.build(query, context, registry_config=registry_config) as progress:
            async for one in progress:
                output.take(one)

    async def _run_to_the_end(
        self, query: Mapping[str, str], context: AsyncGenerator[bytes], output: BuildOutput
    ) -> None:
        """Build, until the end is heard, also when cancelled.

        What BuildKit runs is no container that could be looked for. It ends with the answer to the request to build.
        """
        build_id = secrets.token_hex(16)
        building = asyncio.create_task(self._run({**query, "buildid": build_id}, context, output))
        try:
            await asyncio.shield(building)
        finally:
            if not building.done():
                await self._end(build_id, building)

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

    async def _clear(self, work: BuildWork, traces: Traces) -> None:
        try:
            await asyncio.shield(self._images.clear(traces))
        except InterlockError as error:
            # The next pass of pruning, or the next krane, does it.
            log.warning("what a build left could not be removed", build_id=work.build_id, reason=error.message)
