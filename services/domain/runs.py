"""One-off commands: their ids in krane, which say until when each may run."""

import re
from datetime import timedelta
from typing import Final

_RUN_ID: Final = re.compile(r"run_(?P<until_ms>[0-9]{1,16})_[0-9a-f]{1,40}")
# After its time, whoever started a command removes it first.
_MARGIN: Final = timedelta(minutes=1)


def make_run_id(now_ms: int, timeout: timedelta, token: str) -> str:
    """Return the id of a new command; `token` is unique and hexadecimal, `now_ms` milliseconds since the epoch."""
    return f"run_{now_ms + int(timeout.total_seconds() * 1000)}_{token}"


def may_still_run(task_id: str, now_ms: int) -> bool:
    """Return whether a task is a one-off command whose time is not over. False for other tasks."""
    match = _RUN_ID.fullmatch(task_id)
    return match is not None and now_ms <= int(match["until_ms"]) + int(_MARGIN.total_seconds() * 1000)
