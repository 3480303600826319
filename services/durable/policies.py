"""Retry policies of steps. Every step has a time limit, after which the handler runs its undos.

Restate's retry policy for whole invocations (restate.toml) covers failures outside of steps, such as a stopped endpoint
or a bug. It pauses invocations and does not kill them, because a killed invocation never runs its undos.
"""

from datetime import timedelta
from typing import TypedDict


class Policy(TypedDict):
    """Time limit and retry intervals of a step, with the names of Restate's RunOptions."""

    max_duration: timedelta
    initial_retry_interval: timedelta
    max_retry_interval: timedelta
    retry_interval_factor: float


# Covers short outages: a locked database, or the restart of a part.
STEP = Policy(
    max_duration=timedelta(seconds=60),
    initial_retry_interval=timedelta(milliseconds=50),
    max_retry_interval=timedelta(seconds=2),
    retry_interval_factor=2.0,
)

# Undos must not be given up, so they retry for longer than steps. Short intervals finish a cancel within 5 s after an
# outage ends.
UNDO = Policy(
    max_duration=timedelta(minutes=10),
    initial_retry_interval=timedelta(milliseconds=50),
    max_retry_interval=timedelta(seconds=2),
    retry_interval_factor=2.0,
)

# For steps whose failure does not matter.
ATTEMPT = Policy(
    max_duration=timedelta(seconds=5),
    initial_retry_interval=timedelta(milliseconds=100),
    max_retry_interval=timedelta(seconds=1),
    retry_interval_factor=2.0,
)

# Time for a running effect to end after a cancel arrives; a cancel must finish within 5 s.
LAST_TRY = timedelta(seconds=1)

# Pauses between polls: short at first, because most waits are short; then longer, because each poll is journaled.
FIRST_POLL = timedelta(milliseconds=50)
LAST_POLL = timedelta(seconds=1)
POLL_FACTOR = 1.4
