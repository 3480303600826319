"""Lint proto/, and fail on changes that break callers over the wire or as JSON; buf.yaml says which rules count.

Compared are the files as they are with those of the newest commit of main that this branch has. On main itself that
would be the same: changes that are not committed are compared with HEAD, and a commit with the one before it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = ["node", "tools/node_modules/@bufbuild/buf/bin/buf"]


def git(*arguments: str) -> str | None:
    """What git prints; None when it fails."""
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def find_base() -> str | None:
    """The commit to compare with; None when this clone does not have it."""
    head = git("rev-parse", "HEAD")
    for main in ("origin/main", "main"):
        if (base := git("merge-base", "HEAD", main)) and base != head:
            return base
    return head if git("status", "--porcelain", "proto") else git("rev-parse", "--verify", "HEAD~1")


def check_against(base: str) -> bool:
    """Whether nothing of `base` is broken."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", base, "proto"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        return run("breaking", "--against", f"{folder}/proto")


def run(*arguments: str) -> bool:
    """Whether buf has nothing to say. What it says is printed with the names of its rules, for buf.yaml."""
    command = [*BUF, *arguments, "--error-format=json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        found = json.loads(line)
        print(f"{found.get('path', 'proto')}:{found.get('start_line', 1)}: {found['type']}: {found['message']}")
    print(result.stderr, end="", file=sys.stderr)
    return result.returncode == 0


if __name__ == "__main__":
    is_good = run("lint")
    if base := find_base():
        is_good = check_against(base) and is_good
    else:
        print("proto/ was not compared: this clone has no earlier commit")
    sys.exit(not is_good)
