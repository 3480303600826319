"""Failpoints: named moments of a handler at which tests inject faults.

A saga reports three moments per step: before the effect, after the effect but before it is journaled, and after it is
journaled. In production nothing happens there. Tests pass an implementation that kills the process or refuses the step;
it is not part of this package, so no setting can enable it.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class Moment(StrEnum):
    """A moment within a step."""

    BEFORE = "before"
    # The effect has happened but is not journaled: a fault here makes the step run again.
    EFFECT = "effect"
    JOURNALED = "journaled"


class Failpoints(Protocol):
    """The failpoints of one invocation."""

    async def reach(self, step: str, moment: Moment) -> None:
        """Called when a step reaches a moment. To refuse it, raise a domain error, the same in every replay."""
        ...


# Returns the failpoints for (name of the handler, key).
FailpointsOf = Callable[[str, str], Failpoints]


class NoFailpoints:
    """Failpoints without any effect."""

    async def reach(self, step: str, moment: Moment) -> None:
        """Do nothing."""


NO_FAILPOINTS = NoFailpoints()


def no_failpoints(handler: str, key: str) -> Failpoints:
    """Return failpoints without effect; the default."""
    return NO_FAILPOINTS
