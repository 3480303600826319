"""Locks a SQLite database in WAL mode against all other processes until standard input ends: `python -m ... <file>`.

It takes every lock of the WAL index, as a recovery of the log does (https://www.sqlite.org/walformat.html#locks), so
that no new read or write can begin. It runs in a process of its own, since these locks belong to a process: a test
would not be blocked by its own locks, and would lose them when it closes any connection.
"""

import fcntl
import os
import sys
from pathlib import Path

# Where the eight locks are in the index file.
FIRST_LOCK, LOCKS = 120, 8
HELD = "held"


def main() -> None:
    """Take the locks, and print a line once they are held."""
    with Path(f"{sys.argv[1]}-shm").open("r+b") as index:
        fcntl.lockf(index, fcntl.LOCK_EX, LOCKS, FIRST_LOCK, os.SEEK_SET)
        sys.stdout.write(f"{HELD}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
