"""Builds images as folders. The work of a build runs as a supervised command."""

import asyncio
import os
import sys
from pathlib import Path

from services.config import KraneSettings
from services.domain.errors import PreconditionFailed
from services.files import write_atomically
from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.building.builder import BuildWork, BuiltImage
from services.krane.backends.process.artifacts import Artifact, Artifacts
from services.krane.backends.process.build_job import BUILD_JOB, BuildJob
from services.krane.backends.process.environment import SYSTEM_PATH, build_environment
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.supervision.supervised import CommandSpec, SupervisedProcess

# A cancelled build needs no time to end.
STOP_GRACE_SECONDS = 0.5
FAILURE = "failure.txt"


class ProcessBuilder:
    """Builds the images of the process backend."""

    asks_registries = False

    def __init__(self, artifacts: Artifacts, cache: Path, settings: KraneSettings) -> None:
        self._artifacts = artifacts
        self._cache = cache
        self._settings = settings

    async def find(self, source_digest: str) -> BuiltImage | None:
        """Return the image of a source; None if it does not exist."""
        artifact = self._artifacts.of_source(source_digest)
        app = artifact.config
        return BuiltImage(name=artifact.image, settings=app.settings) if app else None

    async def make(self, work: BuildWork) -> BuiltImage:
        """Build an image under a shim."""
        artifact = self._artifacts.of_source(work.source_digest)
        async with self._artifacts.changing(artifact.digest):
            app = await self._run(work, artifact)
        return BuiltImage(name=artifact.image, settings=app.settings)

    async def trim_cache(self) -> None:
        """Remove the installers' caches if they are too large: all of them, since none tells what was used last."""
        if await asyncio.to_thread(_size, self._cache) > self._settings.build_cache_mib << 20:
            # Rename first: a build may start meanwhile. A killed krane may have left an old one in the way.
            aside = self._cache.with_name(f"{self._cache.name}.old")
            await asyncio.to_thread(remove_tree, aside)
            self._cache.rename(aside)
            await asyncio.to_thread(remove_tree, aside)

    async def clear(self, folders: list[Path]) -> None:
        """End the processes of the builds. The next build replaces their unfinished images."""
        await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in folders))

    async def _run(self, work: BuildWork, artifact: Artifact) -> AppConfig:
        process = SupervisedProcess(work.folder)
        try:
            await process.start(self._command(work, artifact))
            ending = await process.wait()
        finally:
            await process.stop()
            app = artifact.config
            if app is None:
                await asyncio.to_thread(remove_tree, artifact.folder)
        if app is None:
            raise PreconditionFailed(_failure(work.folder) or f"the build did not finish: {ending.reason}")
        return app

    def _command(self, work: BuildWork, artifact: Artifact) -> CommandSpec:
        environment = build_environment(folder=work.folder, cache=self._cache, own=os.environ)
        job = BuildJob(
            archive=work.archive,
            artifact=artifact,
            failure=work.folder / FAILURE,
            max_source_bytes=self._settings.max_source_bytes,
            cache=self._cache,
            search_path=os.environ.get("PATH", SYSTEM_PATH),
        )
        job.failure.unlink(missing_ok=True)
        write_atomically(work.folder / "job.json", BUILD_JOB.dump_json(job))
        return CommandSpec(
            arguments=(
                sys.executable,
                "-P",
                "-m",
                "services.krane.backends.process.build_job",
                str(work.folder / "job.json"),
            ),
            environment=environment,
            working_directory=work.folder,
            log=work.log.path,
            stop_grace_seconds=STOP_GRACE_SECONDS,
            dies_with_krane=True,
        )


def _size(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _failure(folder: Path) -> str:
    path = folder / FAILURE
    return path.read_text() if path.exists() else ""
