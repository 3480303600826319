"""Read branch and commit of a source folder from git; both are empty outside a git repository."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Revision:
    """Branch and full commit id; empty when unknown."""

    branch: str = ""
    commit: str = ""


def revision_of(folder: Path) -> Revision:
    """Return the revision that is checked out in `folder`."""
    branch = _rev_parse(folder, "--abbrev-ref")
    # git reports a detached HEAD as the branch "HEAD".
    return Revision(branch="" if branch == "HEAD" else branch, commit=_rev_parse(folder, "--verify"))


def _rev_parse(folder: Path, option: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", option, "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
