"""Builds. Each runs in the background; a record on disk holds its status.

If krane dies during a build, the next krane starts the build again. If two builds have the same source, the second
waits and uses the image of the first. The backend's `Builder` makes the image.

A source in a git repository is fetched first, in a queue turn of its own, and then checked and stored like an upload.
From then on the record holds its digest, and the build uses that source, even if the ref moves.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import TypeAdapter

from services.config import KraneSettings
from services.domain.errors import Conflict, InterlockError, NotFound, PreconditionFailed
from services.domain.git import GitSource
from services.domain.ids import check_id
from services.krane.backends.building.builder import Builder, BuildLog, BuildWork, BuiltImage
from services.krane.backends.building.fetching import Fetcher
from services.krane.backends.building.queue import BuildQueue
from services.krane.backends.building.sources import SourceStore
from services.krane.backends.shared.files import Record, read_in_pieces
from services.krane.backends.shared.folders import Folders
from services.krane.backends.shared.locks import Locks
from services.krane.backends.shared.logs import tail
from services.krane.backends.shared.records import NAMED_BY_HOST
from services.krane.checks import check_reference
from services.krane.types import AppSettings, BuildPriority, BuildState, BuildStatus, HostCredential, StoredSource
from services.telemetry import get_logger

log = get_logger(__name__)

MAX_ANSWER_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """The stored record of a build."""

    namespace: str
    build_id: str
    # Empty until a git source was fetched.
    source_digest: str = ""
    git: GitSource | None = None
    commit: str = ""
    branch: str = ""
    priority: BuildPriority = BuildPriority.NORMAL
    status: BuildStatus = BuildStatus.RUNNING
    image: str = ""
    error: str = ""
    cached: bool = False
    settings: AppSettings = field(default_factory=AppSettings)

    @property
    def source(self) -> str:
        """The reference of the source; empty until a git source was fetched."""
        return f"source@sha256:{self.source_digest}" if self.source_digest else ""


BUILD_RECORD = TypeAdapter(BuildRecord)
CREDENTIALS_FILE = "credentials.json"
CREDENTIALS = TypeAdapter(tuple[Annotated[HostCredential, NAMED_BY_HOST], ...])


class SourceBuilds:
    """Implements `BuildBackend`."""

    def __init__(
        self, folders: Folders, sources: SourceStore, fetcher: Fetcher, builder: Builder, settings: KraneSettings
    ) -> None:
        self._folders = folders
        self._sources = sources
        self._fetcher = fetcher
        self._builder = builder
        self._fetch_timeout_seconds = settings.fetch_timeout_seconds
        self._timeout_seconds = settings.build_timeout_seconds
        self._queue = BuildQueue(settings.max_builds, settings.max_builds_of_workspace)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks = Locks()
        self._source_locks = Locks()
        # The number of finished builds, failed ones included, and that number when the cache was last trimmed. They
        # differ at first, since an earlier krane may have built.
        self._made = 0
        self._made_before_trim = -1

    async def open(self) -> None:
        """Start again the builds that an earlier krane did not finish."""
        self._folders.builds.mkdir(parents=True, exist_ok=True)
        names = [folder.name for folder in sorted(self._folders.builds.iterdir())]
        records = [self._record(name).read() for name in names]
        unfinished = [record for record in records if record and record.status is BuildStatus.RUNNING]
        await self._fetcher.clear([self._folders.fetch(record.build_id) for record in unfinished])
        for name in {*names} - {record.build_id for record in unfinished}:
            self._credentials(name).remove()
        # Temporary files of a krane that was killed while writing.
        for left in self._folders.builds.glob(f"*/.{CREDENTIALS_FILE}.*"):
            left.unlink(missing_ok=True)
        await self._builder.clear([self._job_folder(record.build_id) for record in unfinished])
        for record in unfinished:
            self._log(record.build_id).say("krane was restarted: the build starts again")
            self._launch(record)

    async def close(self) -> None:
        """End running builds and leave their records unfinished, for the next krane."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def store_source(self, chunks: AsyncIterable[bytes]) -> StoredSource:
        return await self._sources.store(chunks)

    async def start(
        self,
        namespace: str,
        build_id: str,
        origin: str | GitSource,
        priority: BuildPriority,
        credentials: Sequence[HostCredential] = (),
    ) -> None:
        check_id("namespace", namespace)
        check_id("build_id", build_id)
        wanted = BuildRecord(namespace=namespace, build_id=build_id, priority=priority)
        if isinstance(origin, GitSource):
            self._fetcher.check(origin)
            wanted = replace(wanted, git=origin)
        else:
            wanted = replace(wanted, source_digest=check_reference("source", origin))
        async with self._locks.of(build_id):
            known = self._record(build_id).read()
            if known is None:
                await self._check_source(wanted)
                # Before the record: the next krane keeps credentials only beside a record.
                if needed := self._needed(wanted, credentials):
                    self._credentials(build_id).write(needed)
                self._record(build_id).write(wanted)
                self._launch(wanted)
            elif not _is_same_work(known, wanted):
                raise Conflict(f"build {build_id} exists and builds something else: use another id")

    def status(self, namespace: str, build_id: str) -> BuildStatus | None:
        """Return the status of a build; None if there is no such build."""
        record = self._find(namespace, build_id)
        return record.status if record else None

    async def get(self, namespace: str, build_id: str, tail_lines: int) -> BuildState:
        record = self._find(namespace, build_id)
        if record is None:
            raise NotFound(f"there is no build {build_id} in {namespace}: start it first")
        return BuildState(
            status=record.status,
            image=record.image,
            error=record.error,
            cached=record.cached,
            settings=record.settings,
            log_lines=tuple(tail(self._log(build_id).path, tail_lines, MAX_ANSWER_BYTES)),
            source=record.source,
            commit=record.commit,
            branch=record.branch,
        )

    async def cancel(self, namespace: str, build_id: str) -> None:
        async with self._locks.of(build_id):
            if self._find(namespace, build_id) is None:
                return
            task = self._tasks.get(build_id)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            # Read again: the build may have ended meanwhile.
            record = self._find(namespace, build_id)
            if record is not None and record.status is BuildStatus.RUNNING:
                self._log(build_id).say("the build was cancelled")
                self._end(replace(record, status=BuildStatus.CANCELLED))

    def in_use(self) -> set[str]:
        """Return the references of the sources that running builds use."""
        records = (self._record(build_id).read() for build_id in self._tasks)
        return {record.source for record in records if record and record.source}

    async def trim_cache(self) -> None:
        """Bring the build cache down to its size limit, unless a build runs.

        A failure is only logged: the next build tries again.
        """
        if self._made != self._made_before_trim and not self._tasks:
            self._made_before_trim = self._made
            try:
                await self._builder.trim_cache()
            except (InterlockError, OSError) as error:
                log.warning("build cache could not be trimmed", reason=str(error))

    def _launch(self, record: BuildRecord) -> None:
        task = asyncio.create_task(self._run(record), name=f"build {record.build_id}")
        self._tasks[record.build_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(record.build_id))

    async def _run(self, record: BuildRecord) -> None:
        try:
            record = await self._fetch(record)
            image, cached = await self._find_or_make(record)
        except (InterlockError, OSError) as error:
            self._log(record.build_id).say(f"the build failed: {error}")
            self._end(replace(record, status=BuildStatus.FAILED, error=str(error)))
        else:
            succeeded = replace(record, status=BuildStatus.SUCCEEDED, image=image.name, settings=image.settings)
            self._end(replace(succeeded, cached=cached))

    async def _fetch(self, record: BuildRecord) -> BuildRecord:
        """Fetch the source into the store, and return the record with its digest."""
        if record.git is None or record.source:
            return record
        build_log, folder = self._log(record.build_id), self._folders.fetch(record.build_id)
        try:
            async with self._queue.turn(record.namespace, record.priority, build_log.say):
                kept = self._credentials(record.build_id).read() or ()
                credential = next((one for one in kept if one.host == record.git.server), None)
                async with _limited("fetching the source", self._fetch_timeout_seconds):
                    fetched = await self._fetcher.fetch(record.git, folder, build_log, credential)
                stored = await self._sources.store(read_in_pieces(fetched.archive))
            digest = check_reference("source", stored.source)
            record = replace(record, source_digest=digest, commit=fetched.commit, branch=fetched.branch)
            self._record(record.build_id).write(record)
        finally:
            await self._fetcher.clear([folder])
        if not self._builder.asks_registries:
            self._credentials(record.build_id).remove()
        return record

    def _needed(self, wanted: BuildRecord, credentials: Sequence[HostCredential]) -> tuple[HostCredential, ...]:
        """Return the credentials that a build uses: for the git server it fetches from, and for base images."""
        server = wanted.git.server if wanted.git else ""
        return tuple(one for one in credentials if self._builder.asks_registries or one.host == server)

    async def _find_or_make(self, record: BuildRecord) -> tuple[BuiltImage, bool]:
        """Return the image, and whether it already existed."""
        build_log = self._log(record.build_id)
        lock = self._source_locks.of(record.source_digest)
        while True:
            # Waiting for another build of the same source takes no turn; only a build with a turn holds the lock.
            if lock.locked():
                build_log.say("waiting: the same source is being built")
                async with lock:
                    pass
            made = self._made
            if image := await self._find_image(record):
                return image, True
            async with self._queue.turn(record.namespace, record.priority, build_log.say):
                if lock.locked():
                    continue
                async with lock:
                    # Look again: another build of the same source may have ended since.
                    if self._made != made and (image := await self._find_image(record)):
                        return image, True
                    return await self._make(record), False

    async def _find_image(self, record: BuildRecord) -> BuiltImage | None:
        image = await self._builder.find(record.source_digest)
        if image:
            self._log(record.build_id).say(f"{image.name} already exists")
        return image

    async def _make(self, record: BuildRecord) -> BuiltImage:
        work = BuildWork(
            namespace=record.namespace,
            build_id=record.build_id,
            source_digest=record.source_digest,
            archive=self._sources.archive(record.source_digest),
            folder=self._job_folder(record.build_id),
            log=self._log(record.build_id),
            credentials=self._credentials(record.build_id).read() or (),
        )
        try:
            async with _limited("the build", self._timeout_seconds):
                return await self._builder.make(work)
        finally:
            self._made += 1

    async def _check_source(self, record: BuildRecord) -> None:
        digest = record.source_digest
        if digest and not self._sources.archive(digest).exists() and await self._builder.find(digest) is None:
            raise PreconditionFailed(f"{record.source} is not here: upload it first")

    def _find(self, namespace: str, build_id: str) -> BuildRecord | None:
        check_id("namespace", namespace)
        record = self._record(check_id("build_id", build_id)).read()
        return record if record and record.namespace == namespace else None

    def _end(self, record: BuildRecord) -> None:
        self._record(record.build_id).write(record)
        self._credentials(record.build_id).remove()
        log.info("build ended", build_id=record.build_id, status=record.status, cached=record.cached)

    def _record(self, build_id: str) -> Record[BuildRecord]:
        return Record(self._folders.builds / build_id / "build.json", BUILD_RECORD)

    def _credentials(self, build_id: str) -> Record[tuple[HostCredential, ...]]:
        return Record(self._folders.builds / build_id / CREDENTIALS_FILE, CREDENTIALS)

    def _log(self, build_id: str) -> BuildLog:
        return BuildLog(self._folders.build_log(build_id))

    def _job_folder(self, build_id: str) -> Path:
        return self._folders.builds / build_id / "job"


def _is_same_work(known: BuildRecord, wanted: BuildRecord) -> bool:
    # The request of a fetched source is its git ref, not the digest that came of it.
    is_same_origin = known.git == wanted.git if known.git else known.source == wanted.source
    return known.namespace == wanted.namespace and is_same_origin


@asynccontextmanager
async def _limited(what: str, seconds: float) -> AsyncGenerator[None]:
    """Limit the time of a block. Raises PreconditionFailed when it is over."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PreconditionFailed(f"{what} took longer than {seconds:g} s and was stopped") from error
