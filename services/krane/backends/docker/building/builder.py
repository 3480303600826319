"""Builds an image of a source with one of the engine's two builders."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from services.config import KraneSettings
from services.domain.errors import Invalid, Unavailable
from services.domain.plan import Plan, make_plan, plan_lines
from services.krane.backends.building.app_config import PROCFILE, AppConfig, parse_app_config, with_host
from services.krane.backends.building.builder import BuildLog, BuildWork, BuiltImage
from services.krane.backends.docker.building.buildkit import BuildKitBuilder
from services.krane.backends.docker.building.classic import ClassicBuilder
from services.krane.backends.docker.building.context import read_ignore
from services.krane.backends.docker.building.images import BuiltImages
from services.krane.backends.docker.building.request import BuildRequest, EngineBuilder
from services.krane.backends.docker.building.source import DOCKERFILE, DOCKERIGNORE, Source, read_source
from services.krane.backends.docker.building.written import HOST, BaseImages, start_command, write_dockerfile
from services.krane.backends.docker.engine import Engine
from services.krane.backends.shared import static_server

# Part of every image's key. Increment it when krane builds in another way.
BUILDER = "docker-7"
# Most characters of labels: they are in the URL of a request, of which httpx accepts 64 KiB.
MAX_LABELS = 60_000
# Characters of a line of the written Dockerfile that the log shows: one may hold a whole file.
MAX_SHOWN = 1000


class DockerBuilder:
    """Builds the images of the docker backend: with BuildKit if the engine has it and builds have no memory limit."""

    asks_registries = True

    def __init__(self, engine: Engine, images: BuiltImages, settings: KraneSettings) -> None:
        self._engine = engine
        self._images = images
        self._base = BaseImages(python=settings.python_base_image, node=settings.node_base_image)
        self._max_source_bytes = settings.max_source_bytes
        self._cache_bytes = settings.build_cache_mib << 20
        self._is_limited = settings.build_memory_mib is not None
        self._buildkit = BuildKitBuilder(engine, images)
        self._classic = ClassicBuilder(engine, images, settings.build_memory_mib)

    async def find(self, source_digest: str) -> BuiltImage | None:
        """Return the image of a source; None if it does not exist."""
        return await self._images.find(self._key(source_digest))

    async def make(self, work: BuildWork) -> BuiltImage:
        """Build an image on the engine."""
        source = await asyncio.to_thread(read_source, work.archive, self._max_source_bytes)
        plan, app = _planned(source)
        key = self._key(work.source_digest)
        request = BuildRequest(
            work=work,
            dockerfile=self._dockerfile(source, plan, app, work.log),
            ignored=read_ignore(source.text(DOCKERIGNORE)),
            max_source_bytes=self._max_source_bytes,
            tag=self._images.tag(key),
            labels=self._images.labels(work, key, app),
        )
        if len(quote(json.dumps(request.labels))) > MAX_LABELS:
            raise Invalid("interlock.toml is too large for an image's labels: set its variables with `interlock env`")
        builder = await self._engine_builder()
        image_id = await builder.build(request)
        if image_id:
            return BuiltImage(name=image_id, settings=app.settings)
        image = await self._images.find(key)
        if image is None:
            raise Unavailable("the Docker Engine ended the build without an image: deploy again")
        return image

    async def clear(self, folders: list[Path]) -> None:
        """Remove what builds left when an earlier krane was killed. Labels identify it, whichever build made it."""
        await self._images.clear_all()

    async def trim_cache(self) -> None:
        """Trim BuildKit's cache to its size limit. It also holds what other users of the engine build."""
        if await self._engine.has_buildkit():
            await self._engine.trim_build_cache(self._cache_bytes)

    async def _engine_builder(self) -> EngineBuilder:
        if self._is_limited or not await self._engine.has_buildkit():
            return self._classic
        return self._buildkit

    def _key(self, source_digest: str) -> str:
        inputs = (BUILDER, self._base.python, self._base.node, source_digest)
        return hashlib.sha256(" ".join(inputs).encode()).hexdigest()

    def _dockerfile(self, source: Source, plan: Plan, app: AppConfig, build_log: BuildLog) -> str:
        for line in plan_lines(plan):
            build_log.say(f"  {line}")
        if DOCKERFILE in source.files:
            return source.text(DOCKERFILE)
        program = Path(static_server.__file__).read_text()
        written = write_dockerfile(plan, app, self._base, program)
        if plan.missing_start:
            build_log.say(plan.missing_start)
        build_log.say("the source has no Dockerfile; it is built with this one:")
        for line in written.splitlines():
            build_log.say(f"  {line}" if len(line) <= MAX_SHOWN else f"  {line[:MAX_SHOWN]}…")
        return written


def _planned(source: Source) -> tuple[Plan, AppConfig]:
    """Return the plan, and the app configuration that the image stores. With a Dockerfile, a Procfile is ignored."""
    plan = make_plan(source.plan_files, builds_dockerfiles=True)
    has_dockerfile = DOCKERFILE in source.files
    told = {name: text for name, text in source.files.items() if name != PROCFILE or not has_dockerfile}
    command = with_host(start_command(plan), HOST)
    return plan, replace(parse_app_config(told), command=command, missing_start=plan.missing_start)
