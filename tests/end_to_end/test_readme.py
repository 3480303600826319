"""The walk-through of README.md, line by line as a newcomer types it."""

import os
import re
import subprocess
from pathlib import Path

from tests.end_to_end.conftest import AS_USERS_RUN_IT
from tests.end_to_end.stack import ROOT, Stack

SECTION = re.compile(r"^## First deploy, second deploy, rollback$.*?^```sh$(.*?)^```$", re.MULTILINE | re.DOTALL)
# Where `make up` takes traffic, as README.md says.
GATEWAY_PORT = 8000


@AS_USERS_RUN_IT
def test_the_walk_through_of_the_readme_works_as_it_stands(stack: Stack, tmp_path: Path) -> None:
    section = SECTION.search((ROOT / "README.md").read_text())
    assert section is not None
    gateway = stack.ready["gateway"].removeprefix("http://")
    # This installation has other ports than those of `make up`.
    (tmp_path / ".curlrc").write_text(f'silent\nfail\nconnect-to = ":{GATEWAY_PORT}:{gateway}"\n')
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NO_COLOR": "1",
        "INTERLOCK_READY_FILE": str(stack.ready_file),
    }

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", section[1]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r'"version": "(\d)"', done.stdout) == ["1", "2", "1"]
    assert "live would move from" in done.stdout
    assert "rolled back" in done.stdout
    assert "2 is broken" in done.stdout
