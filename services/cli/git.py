"""Branch and commit of a source folder, from git and from the variables of CI systems."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.domain.ci import ci_revision
from services.domain.errors import Invalid

DEFAULT_BRANCH = "main"
GIT_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Branch and full commit id of what is sent; the commit is empty if it is unknown."""

    branch: str = ""
    commit: str = ""
    # The folder holds something else than the commit.
    is_dirty: bool = False
    # What the user should know, such as an error of git.
    remarks: tuple[str, ...] = ()


class GitError(Exception):
    """git failed; the text is its message."""


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder` and return its output; raises GitError."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=GIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git did not answer within {GIT_SECONDS} seconds") from error
    if answer.returncode:
        message = answer.stderr.strip().partition("\n")[0].removeprefix("fatal: ")
        raise GitError(message or f"git {arguments[0]} ended with exit code {answer.returncode}")
    return answer.stdout


def repository_of(folder: Path) -> Path | None:
    """Return the folder with the `.git` that `folder` belongs to; None outside of a repository."""
    here = folder.resolve()
    return next((parent for parent in (here, *here.parents) if (parent / ".git").exists()), None)


def revision_of(folder: Path, branch: str, environ: Mapping[str, str]) -> Revision:
    """Return the revision of `folder`; `branch` is what the user asked for.

    Outside of git and CI the branch is "main". Raises Invalid if it is unknown: on a detached HEAD, or if git fails.
    """
    told = ci_revision(environ)
    if repository_of(folder) is None:
        return Revision(branch=branch or told.branch or DEFAULT_BRANCH, commit=told.commit)
    try:
        commit = _commit(folder)
        found = branch or _branch(folder) or told.branch
        is_dirty = bool(commit) and bool(git(folder, "status", "--porcelain", "--", "."))
    except GitError as error:
        if branch or told.branch:
            remark = f"git could not read {folder}: {error}"
            return Revision(branch=branch or told.branch, commit=told.commit, remarks=(remark,))
        raise Invalid(f"git could not read the branch of {folder}: {error}; name one with --branch") from error
    if not found:
        job = f", and {told.system} names none" if told.system else ""
        raise Invalid(f"{folder} is on no branch (detached HEAD){job}: say --branch")
    remarks = ("the folder has changes that are not in its commit: it is marked as dirty",) if is_dirty else ()
    return Revision(branch=found, commit=commit, is_dirty=is_dirty, remarks=remarks)


def _branch(folder: Path) -> str:
    """Return the branch that is checked out, also before its first commit; empty on a detached HEAD."""
    try:
        ref = git(folder, "symbolic-ref", "--quiet", "HEAD").strip()
    except GitError:
        # A repository that cannot be read has already failed.
        return ""
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _commit(folder: Path) -> str:
    """Return the commit that is checked out; empty before the first one."""
    git(folder, "rev-parse", "--git-dir")
    try:
        return git(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except GitError:
        return ""
