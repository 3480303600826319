"""Builds: each runs in the background as a supervised command, and its record on disk says how far it is.

A build that krane's death interrupted is begun anew by the next krane. Two builds of one source are one piece of work:
the second waits and finds the image there.
"""

import asyncio
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from services.config import KraneSettings
from services.domain.errors import Conflict, InterlockError, NotFound, PreconditionFailed
from services.files import write_atomically
from services.krane.backends.process.artifacts import Artifact, artifact_of_source
from services.krane.backends.process.build_job import BUILD_JOB, BuildJob
from services.krane.backends.process.environment import build_environment
from services.krane.backends.process.supervised import CommandSpec, SupervisedProcess
from services.krane.backends.shared.files import Record, remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.logs import append_line, tail
from services.krane.backends.shared.sources import Sources
from services.krane.checks import check_id, check_reference
from services.krane.types import BuildState, BuildStatus
from services.telemetry import get_logger

log = get_logger(__name__)

CONCURRENT_BUILDS = 2
# A cancelled build has nothing to finish.
STOP_GRACE_SECONDS = 0.5
MAX_ANSWER_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """What is kept of a build."""

    namespace: str
    build_id: str
    source_digest: str
    status: BuildStatus = BuildStatus.RUNNING
    image: str = ""
    error: str = ""
    cached: bool = False


BUILD_RECORD = TypeAdapter(BuildRecord)


class Builds:
    """The builds of one installation."""

    def __init__(self, folders: Folders, sources: Sources, settings: KraneSettings) -> None:
        self._folders = folders
        self._sources = sources
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks = Locks()
        self._artifact_locks = Locks()
        self._slots = asyncio.Semaphore(CONCURRENT_BUILDS)

    async def open(self) -> None:
        """Begin anew what an earlier krane did not finish."""
        self._folders.builds.mkdir(parents=True, exist_ok=True)
        records = [self._record(folder.name).read() for folder in self._folders.builds.iterdir()]
        unfinished = [record for record in records if record and record.status is BuildStatus.RUNNING]
        await asyncio.gather(*(self._process(record.build_id).stop() for record in unfinished))
        for record in unfinished:
            self._say(record.build_id, "krane was restarted: the build begins anew")
            self._launch(record)

    async def close(self) -> None:
        """End running builds and leave them unfinished, for the next krane."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def start(self, namespace: str, build_id: str, source: str) -> None:
        """Begin a build, or find it begun.

        Raises Invalid, Conflict (another build has the id) or PreconditionFailed (the source is not here).
        """
        check_id("namespace", namespace)
        check_id("build_id", build_id)
        wanted = BuildRecord(namespace=namespace, build_id=build_id, source_digest=check_reference("source", source))
        async with self._locks.of(build_id):
            known = self._record(build_id).read()
            if known is None:
                self._check_source(wanted)
                self._record(build_id).write(wanted)
                self._launch(wanted)
            elif (known.namespace, known.source_digest) != (namespace, wanted.source_digest):
                raise Conflict(f"build {build_id} exists and builds something else: use another id")

    def status(self, namespace: str, build_id: str) -> BuildStatus | None:
        """How far a build is; None when it is unknown."""
        record = self._find(namespace, build_id)
        return record.status if record else None

    def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        """How far a build is, with the newest lines of its log. Raises NotFound."""
        record = self._find(namespace, build_id)
        if record is None:
            raise NotFound(f"there is no build {build_id} in {namespace}: start it first")
        return BuildState(
            status=record.status,
            image=record.image,
            error=record.error,
            cached=record.cached,
            log_lines=tuple(tail(self._log(build_id), tail_lines, MAX_ANSWER_BYTES)),
        )

    async def cancel(self, namespace: str, build_id: str) -> None:
        """End a build and everything it started; returns when nothing is left, also when nothing was there."""
        async with self._locks.of(build_id):
            if self._find(namespace, build_id) is None:
                return
            task = self._tasks.get(build_id)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            # Read again: it may just have ended by itself.
            record = self._find(namespace, build_id)
            if record is not None and record.status is BuildStatus.RUNNING:
                self._say(build_id, "the build was cancelled")
                self._end(replace(record, status=BuildStatus.CANCELLED))

    def in_use(self) -> set[str]:
        """The sources that running builds work on, as references."""
        records = (self._record(build_id).read() for build_id in self._tasks)
        return {f"source@sha256:{record.source_digest}" for record in records if record}

    def work_on(self, artifact_digest: str) -> asyncio.Lock:
        """The lock that whoever makes or removes an image holds."""
        return self._artifact_locks.of(artifact_digest)

    def _launch(self, record: BuildRecord) -> None:
        task = asyncio.create_task(self._run(record), name=f"build {record.build_id}")
        self._tasks[record.build_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(record.build_id))

    async def _run(self, record: BuildRecord) -> None:
        artifact = artifact_of_source(self._folders.artifacts, record.source_digest)
        try:
            cached = await self._make(record, artifact)
        except (InterlockError, OSError) as error:
            self._say(record.build_id, f"the build failed: {error}")
            self._end(replace(record, status=BuildStatus.FAILED, error=str(error)))
        else:
            self._end(replace(record, status=BuildStatus.SUCCEEDED, image=artifact.image, cached=cached))

    async def _make(self, record: BuildRecord, artifact: Artifact) -> bool:
        """Make the image and say whether it was there already; raises PreconditionFailed when it cannot be made."""
        lock = self.work_on(artifact.digest)
        if lock.locked():
            self._say(record.build_id, "waiting: the same source is being built")
        async with lock:
            if artifact.config is not None:
                self._say(record.build_id, f"{artifact.image} is there already")
                return True
            if self._slots.locked():
                self._say(record.build_id, f"waiting: {CONCURRENT_BUILDS} other builds are running")
            async with self._slots:
                await self._work(record, artifact)
        return False

    async def _work(self, record: BuildRecord, artifact: Artifact) -> None:
        process = self._process(record.build_id)
        timeout = self._settings.build_timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                await process.start(self._command(record, artifact))
                ending = await process.wait()
        except TimeoutError as error:
            raise PreconditionFailed(f"the build took longer than {timeout:g} s and was stopped") from error
        finally:
            await process.stop()
            if artifact.config is None:
                await asyncio.to_thread(remove_tree, artifact.folder)
        if artifact.config is None:
            raise PreconditionFailed(self._failure(record.build_id) or f"the build did not finish: {ending.reason}")

    def _command(self, record: BuildRecord, artifact: Artifact) -> CommandSpec:
        folder = self._process_folder(record.build_id)
        environment = build_environment(folder=folder, cache=self._folders.cache, own=os.environ)
        job = BuildJob(
            archive=self._sources.archive(record.source_digest),
            artifact=artifact,
            failure=folder / "failure.txt",
            max_source_bytes=self._settings.max_source_bytes,
        )
        job.failure.unlink(missing_ok=True)
        write_atomically(folder / "job.json", BUILD_JOB.dump_json(job))
        return CommandSpec(
            arguments=(
                sys.executable,
                "-P",
                "-m",
                "services.krane.backends.process.build_job",
                str(folder / "job.json"),
            ),
            environment=environment,
            working_directory=folder,
            log=self._log(record.build_id),
            stop_grace_seconds=STOP_GRACE_SECONDS,
            dies_with_krane=True,
        )

    def _check_source(self, wanted: BuildRecord) -> None:
        artifact = artifact_of_source(self._folders.artifacts, wanted.source_digest)
        if artifact.config is None and not self._sources.archive(wanted.source_digest).exists():
            raise PreconditionFailed(f"source@sha256:{wanted.source_digest} is not here: upload it first")

    def _find(self, namespace: str, build_id: str) -> BuildRecord | None:
        check_id("namespace", namespace)
        record = self._record(check_id("build_id", build_id)).read()
        return record if record and record.namespace == namespace else None

    def _end(self, record: BuildRecord) -> None:
        self._record(record.build_id).write(record)
        log.info("build ended", build_id=record.build_id, status=record.status, cached=record.cached)

    def _failure(self, build_id: str) -> str:
        path = self._process_folder(build_id) / "failure.txt"
        return path.read_text() if path.exists() else ""

    def _say(self, build_id: str, line: str) -> None:
        append_line(self._log(build_id), line)

    def _record(self, build_id: str) -> Record[BuildRecord]:
        return Record(self._folders.builds / build_id / "build.json", BUILD_RECORD)

    def _log(self, build_id: str) -> Path:
        return self._folders.build_log(build_id)

    def _process_folder(self, build_id: str) -> Path:
        return self._folders.builds / build_id / "job"

    def _process(self, build_id: str) -> SupervisedProcess:
        return SupervisedProcess(self._process_folder(build_id))
