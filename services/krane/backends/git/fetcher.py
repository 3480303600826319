"""Fetches commits. Each fetch runs under a shim, in a folder that is removed afterwards."""

import asyncio
import os
import sys
from pathlib import Path

from services.config import KraneSettings
from services.domain.errors import Invalid, PreconditionFailed
from services.domain.git import GitProtocol, GitSource, check_git
from services.files import write_atomically
from services.krane.backends.building.builder import BuildLog
from services.krane.backends.building.fetching import Fetched
from services.krane.backends.git.environment import SshIdentity, fetch_environment, stored_login, write_files
from services.krane.backends.git.fetch_job import FETCH_JOB, FetchJob
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.supervision.supervised import CommandSpec, SupervisedProcess
from services.krane.types import HostCredential

# A cancelled fetch needs no time to end.
STOP_GRACE_SECONDS = 0.5
# For git and its child processes. Larger files are streamed.
MEMORY_BYTES = 1024 * 1024 * 1024
JOB = "job.json"


class GitFetcher:
    """Fetches with the git program of krane's machine."""

    def __init__(self, settings: KraneSettings, known_hosts: Path) -> None:
        self._identity = SshIdentity(key_file=settings.git_ssh_key_file, known_hosts=known_hosts)
        self._file_roots = settings.git_file_roots
        self._max_source_bytes = settings.max_source_bytes

    def check(self, git: GitSource) -> None:
        """Raise Invalid for an invalid source, or a folder that krane may not fetch from."""
        check_git(git.url, git.ref)
        self._address(git)

    async def fetch(
        self, git: GitSource, folder: Path, build_log: BuildLog, credential: HostCredential | None
    ) -> Fetched:
        """Fetch one commit and nothing else."""
        job = self._prepare(git, folder, credential)
        process = SupervisedProcess(folder)
        try:
            await process.start(_command(folder, job, build_log))
            ending = await process.wait()
        finally:
            await process.stop()
        if not job.commit.exists():
            failure = job.failure.read_text() if job.failure.exists() else ""
            raise PreconditionFailed(failure or f"fetching {git.url} did not finish: {ending.reason}")
        return Fetched(archive=job.archive, commit=job.commit.read_text(), branch=job.branch.read_text())

    async def clear(self, folders: list[Path]) -> None:
        """End the processes, and remove what they fetched."""
        await asyncio.gather(*(SupervisedProcess(folder).stop() for folder in folders))
        for folder in folders:
            await asyncio.to_thread(remove_tree, folder)

    def _prepare(self, git: GitSource, folder: Path, credential: HostCredential | None) -> FetchJob:
        login = stored_login(git, credential) if credential else ""
        folder.mkdir(parents=True, mode=0o700)
        write_files(folder, self._identity, login)
        job = FetchJob(
            git=git,
            address=self._address(git),
            has_credential=credential is not None,
            repository=folder / "repository",
            archive=folder / "source.tar.gz",
            commit=folder / "commit",
            branch=folder / "branch",
            failure=folder / "failure.txt",
            max_source_bytes=self._max_source_bytes,
        )
        write_atomically(folder / JOB, FETCH_JOB.dump_json(job))
        return job

    def _address(self, git: GitSource) -> str:
        """Return the address to fetch from. A folder becomes its real path, so that no link leads outside."""
        if git.protocol is not GitProtocol.FILE:
            return git.url
        folder = Path(git.url.removeprefix("file://")).resolve()
        if not any(folder.is_relative_to(root.resolve()) for root in self._file_roots):
            raise Invalid(
                f"krane may not deploy from the folder {git.url}: deploy from https or ssh, deploy the folder itself, "
                "or set INTERLOCK_KRANE__GIT_FILE_ROOTS"
            )
        # git decodes percent escapes.
        return f"file://{str(folder).replace('%', '%25')}"


def _command(folder: Path, job: FetchJob, build_log: BuildLog) -> CommandSpec:
    return CommandSpec(
        arguments=(sys.executable, "-P", "-m", "services.krane.backends.git.fetch_job", str(folder / JOB)),
        environment=fetch_environment(folder, job.git, os.environ),
        working_directory=folder,
        log=build_log.path,
        stop_grace_seconds=STOP_GRACE_SECONDS,
        memory_bytes=MEMORY_BYTES,
        dies_with_krane=True,
    )
