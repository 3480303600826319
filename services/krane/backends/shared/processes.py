"""Looks at the states of processes in /proc."""

from collections.abc import Iterable
from pathlib import Path

STOPPED = "T"
ENDED = "Z"


def are_stopped(pids: Iterable[int]) -> bool:
    """Return whether all processes are stopped by a signal; False if there is none."""
    states = {_state(pid) for pid in pids} - {"", ENDED}
    return states == {STOPPED}


def _state(pid: int) -> str:
    """Return the state of a process as a letter; empty if it is gone."""
    try:
        # The name before it is in parentheses, and may have some itself.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
