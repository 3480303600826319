"""How often and how long steps are tried. Every step is bounded: a handler that gives up runs its undos.

Restate's own retry policy for whole invocations (restate.toml) covers what happens outside of steps: the endpoint being
down, bugs. It pauses rather than kills, since a killed invocation never runs its undos.
"""

from datetime import timedelta
from typing import TypedDict


class Policy(TypedDict):
    """The bounds of a step, as Restate's RunOptions take them."""

    max_duration: timedelta
    initial_retry_interval: timedelta
    max_retry_interval: timedelta
    retry_interval_factor: float


# Weather: a locked database, a part that is being started again.
STEP = Policy(
    max_duration=timedelta(seconds=60),
    initial_retry_interval=timedelta(milliseconds=50),
    max_retry_interval=timedelta(seconds=2),
    retry_interval_factor=2.0,
)

# What must not be left behind is tried for longer than what may be given up, and soon after a part is back: a cancel is
# to be clean within 5 s of that.
UNDO = Policy(
    max_duration=timedelta(minutes=10),
    initial_retry_interval=timedelta(milliseconds=50),
    max_retry_interval=timedelta(seconds=2),
    retry_interval_factor=2.0,
)

# Nice to have: one short chance.
ATTEMPT = Policy(
    max_duration=timedelta(seconds=5),
    initial_retry_interval=timedelta(milliseconds=100),
    max_retry_interval=timedelta(seconds=1),
    retry_interval_factor=2.0,
)

# What runs when a cancel arrives gets this long to end by itself: a cancel is to be clean within 5 s.
LAST_TRY = timedelta(seconds=1)

# Waiting suspends between looks: often at first, since most waits are short, then rarely, since each look is journaled.
FIRST_POLL = timedelta(milliseconds=50)
LAST_POLL = timedelta(seconds=1)
POLL_FACTOR = 1.4
