"""A supervisor to be killed: `supervise_a_sleeper.py <data dir>` writes the pid of its one part to <data dir>/pid."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from services.files import write_atomically
from services.runtime.supervisor import Supervisor
from tests.runtime.processes import SLEEP, python_part


def main(data_dir: Path) -> None:
    """Supervise until killed."""

    def write_pid(pids: Mapping[str, int]) -> None:
        write_atomically(data_dir / "pid", str(pids["sleeper"]).encode())

    supervisor = Supervisor(
        [python_part("sleeper", SLEEP)], {}, data_dir, say=lambda part, what: None, on_pids=write_pid
    )
    asyncio.run(supervisor.run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
