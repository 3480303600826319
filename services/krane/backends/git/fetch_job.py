"""Fetches one commit. Run with `python -m` under a shim, so that it can be stopped at any moment.

Makes an empty repository, fetches only that commit, and packs its files. A fetch that cannot succeed writes one
sentence into the failure file and exits with code 1.
"""

import gzip
import os
import re
import select
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter

from services.domain.errors import Invalid, PreconditionFailed, Refusal
from services.domain.git import GitSource, check_git
from services.files import write_atomically
from services.krane.backends.building.archive import MAX_ENTRIES, UNPACKED_FACTOR
from services.krane.backends.git.environment import GIT_ATTRIBUTES
from services.krane.backends.git.failures import describe_failure

# Between measurements of the size of what was fetched.
LOOK_SECONDS = 0.2
# Between progress lines in the log.
PROGRESS_SECONDS = 2.0
READ_BYTES = 64 * 1024
# The last lines of git's output, used to tell why it failed.
KEPT_LINES = 50
# Tar header and padding for each entry of the archive.
TAR_OVERHEAD = MAX_ENTRIES * 1536
# A line of `git ls-remote --symref`.
_DEFAULT_BRANCH = re.compile(r"^ref: refs/heads/(?P<branch>\S+)\tHEAD$", re.MULTILINE)
# ssh ends lines with \r\n; git's progress ends them with \r.
_LINE_END = re.compile(rb"(\r?\n|\r(?!\n|\Z))")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """What to fetch, as JSON."""

    git: GitSource
    # What git fetches from: the URL unchanged, or the real path of a folder.
    address: str
    # Whether git may answer when the server asks for a login.
    has_credential: bool = False
    # Does not exist yet.
    repository: Path
    archive: Path
    # File that gets the id of the commit once everything is there.
    commit: Path
    # File that gets the name of the default branch, if the job asks for it and the server tells it.
    branch: Path
    # File that gets the sentence on why the commit cannot be fetched.
    failure: Path
    max_source_bytes: int


FETCH_JOB = TypeAdapter(FetchJob)


def fetch(job: FetchJob) -> None:
    """Fetch and pack the commit. Raises Invalid or PreconditionFailed."""
    git = ("git", f"--git-dir={job.repository}")
    ref = job.git.ref or "HEAD"
    _say(f"fetching {ref} of {job.git.url}")
    object_format = "sha256" if len(job.git.commit) == 64 else "sha1"
    _run([*git, "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"])
    (job.repository / "info").mkdir(exist_ok=True)
    (job.repository / "info" / "attributes").write_text(GIT_ATTRIBUTES)
    branch = _default_branch(job, [*git, "ls-remote", "--symref", "--", job.address, "HEAD"])
    options = ("--progress", "--depth=1", "--no-tags", "--no-recurse-submodules")
    # By the branch's name: HEAD may have moved to another branch since.
    _ask(job, [*git, "fetch", *options, "--", job.address, f"refs/heads/{branch}" if branch else ref])
    try:
        commit = _run([*git, "rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}"]).strip()
    except subprocess.CalledProcessError as error:
        raise Invalid(f"{ref!r} of {job.git.url} is not a commit: name a branch, a tag or a commit") from error
    _pack(job, [*git, "archive", "--format=tar", commit])
    write_atomically(job.branch, branch.encode())
    write_atomically(job.commit, commit.encode())
    _say(f"fetched commit {commit}")


def _run(arguments: list[str]) -> str:
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def _default_branch(job: FetchJob, arguments: list[str]) -> str:
    """Return the branch of HEAD, if the job asks for it; empty if the server does not say, or HEAD is detached."""
    if not job.git.is_default:
        return ""
    # In the repository's folder, so that the size limit counts it.
    answer = job.repository / "answer"
    with answer.open("wb") as file:
        _ask(job, arguments, file)
    with answer.open("rb") as file:
        # Undecodable bytes become characters that no ref name may hold.
        match = _DEFAULT_BRANCH.search(file.read(READ_BYTES).decode(errors="surrogateescape"))
    try:
        branch = check_git(job.git.url, match["branch"]).ref if match else ""
    except Invalid:
        # Such a name is not valid in a hostname either.
        return ""
    _say(f"its default branch is {branch}" if branch else "the server does not say what its default branch is")
    return branch


def _ask(job: FetchJob, arguments: list[str], answer: IO[bytes] | None = None) -> None:
    """Run a git command that talks to the server, and limit what it stores. Raises Invalid or PreconditionFailed."""
    said = _GitOutput()
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=answer or subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        descriptor, look_at = process.stderr.fileno(), 0.0
        while True:
            readable, _, _ = select.select([descriptor], [], [], LOOK_SECONDS)
            data = os.read(descriptor, READ_BYTES) if readable else b""
            if readable and not data:
                break
            said.take(data)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_SECONDS
                if _size(job.repository) > job.max_source_bytes:
                    # Its children end with this process.
                    process.kill()
                    raise Invalid(
                        f"{job.git.url} is larger than {job.max_source_bytes} bytes: remove files from the repository "
                        "that the app does not need to run"
                    )
    said.end()
    if process.returncode != 0:
        raise PreconditionFailed(describe_failure(job.git, said.text, has_credential=job.has_credential))


def _pack(job: FetchJob, arguments: list[str]) -> None:
    with (
        subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process,
        job.archive.open("wb") as file,
        # Without a name and a time, the same commit always gives the same archive.
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
    ):
        assert process.stdout is not None
        most, size = job.max_source_bytes * UNPACKED_FACTOR, 0
        while piece := process.stdout.read(READ_BYTES):
            size += len(piece)
            packed.write(piece)
            if size > most + TAR_OVERHEAD or file.tell() > job.max_source_bytes:
                process.kill()
                raise Invalid(
                    f"the source is larger than {job.max_source_bytes} bytes, or {most} unpacked: remove files that "
                    "the app does not need to run"
                )
    if process.returncode != 0:
        raise PreconditionFailed(f"git could not read the commit of {job.git.url}: the build log says why")


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder. Other processes may change it meanwhile."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                continue
    return size


class _GitOutput:
    """git's output, for the log and to tell why it failed. Progress lines are frequent: only some are logged."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._begun = b""
        self._quiet_until = 0.0

    @property
    def text(self) -> str:
        """The last lines."""
        return "\n".join(self._lines)

    def take(self, data: bytes) -> None:
        """Add output, which may begin and end in the middle of a line."""
        *parts, self._begun = _LINE_END.split(self._begun + data)
        for line, end in zip(parts[::2], parts[1::2], strict=True):
            if end.endswith(b"\n"):
                self._keep(line)
            elif time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + PROGRESS_SECONDS
                _say(_text(line))
        if len(self._begun) > READ_BYTES:
            # A server may send a line that never ends.
            self.end()

    def end(self) -> None:
        """Treat an unfinished line as a whole one: no more output comes."""
        self._keep(self._begun)
        self._begun = b""

    def _keep(self, line: bytes) -> None:
        if text := _text(line):
            self._lines.append(text)
            _say(text)


def _text(line: bytes) -> str:
    # Servers pad their lines with spaces to overwrite earlier ones on a terminal.
    return line.decode(errors="replace").rstrip()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(job_path: Path) -> int:
    """Fetch; returns the exit code."""
    job = FETCH_JOB.validate_json(job_path.read_bytes())
    try:
        fetch(job)
    except FileNotFoundError as error:
        if error.filename != "git":
            raise
        message = "git is not installed on krane's machine: install it (on Debian: git)"
    except Refusal as error:
        message = error.message
    else:
        return 0
    write_atomically(job.failure, message.encode())
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
