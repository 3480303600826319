"""The work of one fetch, run by `python -m` under a shim so that it can be stopped at any moment.

Make an empty repository, fetch one commit into it and nothing else, and pack what the commit holds. A fetch that cannot
succeed leaves one sentence in the failure file and exits with code 1.
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

# Between looks at how much has come, and between lines on how far it is.
LOOK_SECONDS = 0.2
PROGRESS_SECONDS = 2.0
READ_BYTES = 64 * 1024
# What git said last, to tell why it failed.
KEPT_LINES = 50
# A header and padding for each entry of the archive.
TAR_OVERHEAD = MAX_ENTRIES * 1536
# Of what `git ls-remote --symref` prints.
_DEFAULT_BRANCH = re.compile(r"^ref: refs/heads/(?P<branch>\S+)\tHEAD$", re.MULTILINE)
# ssh ends its lines with both; git begins the line anew with the first.
_LINE_END = re.compile(rb"(\r?\n|\r(?!\n|\Z))")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """What to fetch; handed over as JSON."""

    git: GitSource
    # What git is asked for: the URL as it is, or the real path of a folder.
    address: str
    # Whether the server may ask who wants it.
    has_credential: bool = False
    # A folder that is not there yet.
    repository: Path
    archive: Path
    # Gets the id of the commit, when all is there.
    commit: Path
    # Gets the name of the default branch, when that is asked for and the server says it; nothing otherwise.
    branch: Path
    # Gets the sentence on why it cannot be fetched.
    failure: Path
    max_source_bytes: int


FETCH_JOB = TypeAdapter(FetchJob)


def fetch(job: FetchJob) -> None:
    """Pack the commit. Raises Invalid or PreconditionFailed when that cannot be done."""
    git = ("git", f"--git-dir={job.repository}")
    ref = job.git.ref or "HEAD"
    _say(f"fetching {ref} of {job.git.url}")
    object_format = "sha256" if len(job.git.commit) == 64 else "sha1"
    _run([*git, "init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"])
    (job.repository / "info").mkdir(exist_ok=True)
    (job.repository / "info" / "attributes").write_text(GIT_ATTRIBUTES)
    branch = _default_branch(job, [*git, "ls-remote", "--symref", "--", job.address, "HEAD"])
    options = ("--progress", "--depth=1", "--no-tags", "--no-recurse-submodules")
    # By the branch's name: what HEAD is may have changed since.
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
    """Which branch HEAD is, if that is asked for; empty when the server does not say it, or HEAD is none."""
    if not job.git.is_default:
        return ""
    # Beside what is fetched, and limited with it.
    answer = job.repository / "answer"
    with answer.open("wb") as file:
        _ask(job, arguments, file)
    with answer.open("rb") as file:
        # What is no text becomes what no name of a ref may hold.
        match = _DEFAULT_BRANCH.search(file.read(READ_BYTES).decode(errors="surrogateescape"))
    try:
        branch = check_git(job.git.url, match["branch"]).ref if match else ""
    except Invalid:
        # A name that nobody could ask for names no hostname either.
        return ""
    _say(f"its default branch is {branch}" if branch else "it does not say which branch that is")
    return branch


def _ask(job: FetchJob, arguments: list[str], answer: IO[bytes] | None = None) -> None:
    """Run a git that talks to the server, and limit what comes. Raises Invalid or PreconditionFailed."""
    said = _Said()
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
                    # Everything else that it started is ended with this process.
                    process.kill()
                    raise Invalid(
                        f"{job.git.url} is larger than {job.max_source_bytes} bytes: leave out of the repository what "
                        "is not needed to run"
                    )
    said.end()
    if process.returncode != 0:
        raise PreconditionFailed(describe_failure(job.git, said.text, has_credential=job.has_credential))


def _pack(job: FetchJob, arguments: list[str]) -> None:
    with (
        subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process,
        job.archive.open("wb") as file,
        # Without a name and a time: the same commit is the same archive.
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
                    f"the source is larger than {job.max_source_bytes} bytes, or {most} unpacked: leave out what is "
                    "not needed to run"
                )
    if process.returncode != 0:
        raise PreconditionFailed(f"git could not read the commit of {job.git.url}: the build log says why")


def _size(folder: Path) -> int:
    """The bytes of all files in a folder in which others work."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                continue
    return size


class _Said:
    """What git says, for the log and to tell why it failed. Lines on how far it is come all the time: some are kept."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._begun = b""
        self._quiet_until = 0.0

    @property
    def text(self) -> str:
        """The last lines."""
        return "\n".join(self._lines)

    def take(self, data: bytes) -> None:
        """What it said, which may begin and end in the middle of a line."""
        *parts, self._begun = _LINE_END.split(self._begun + data)
        for line, end in zip(parts[::2], parts[1::2], strict=True):
            if end.endswith(b"\n"):
                self._keep(line)
            elif time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + PROGRESS_SECONDS
                _say(_text(line))
        if len(self._begun) > READ_BYTES:
            # A server may go on without ever ending its line.
            self.end()

    def end(self) -> None:
        """Take what was begun as a line: nothing more of it comes."""
        self._keep(self._begun)
        self._begun = b""

    def _keep(self, line: bytes) -> None:
        if text := _text(line):
            self._lines.append(text)
            _say(text)


def _text(line: bytes) -> str:
    # Servers pad their lines, to cover others on a terminal.
    return line.decode(errors="replace").rstrip()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(job_path: Path) -> int:
    """Fetch, and say on the way out whether it worked."""
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
