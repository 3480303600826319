"""Takes a SQLite database in WAL mode away from everybody else until standard input ends: `python -m ... <file>`.

It holds every lock of the WAL index, as a recovery of the log does (https://www.sqlite.org/walformat.html#locks), so
that nobody begins to read or to write. In a process of its own, since these locks belong to processes: a test would not
be kept out by its own, and would lose them by closing any connection.
"""

import fcntl
import os
import sys
from pathlib import Path

# Where the eight locks lie in the index.
FIRST_LOCK, LOCKS = 120, 8
HELD = "held"


def main() -> None:
    """Say when the database is held."""
    with Path(f"{sys.argv[1]}-shm").open("r+b") as index:
        fcntl.lockf(index, fcntl.LOCK_EX, LOCKS, FIRST_LOCK, os.SEEK_SET)
        sys.stdout.write(f"{HELD}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
