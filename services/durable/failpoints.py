"""Failpoints: the named moments of every handler in which a fault would hurt most.

A Saga announces each of them: before a step's effect, after the effect while it is not journaled yet, and after it was
journaled. The shipped endpoint passes nothing and nothing happens. Tests pass an implementation that kills the process
there or refuses; it is no part of this package, so that no setting can switch it on.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class Moment(StrEnum):
    """Where in a step."""

    BEFORE = "before"
    # The effect has happened and nobody knows: the step will run again.
    EFFECT = "effect"
    JOURNALED = "journaled"


class Failpoints(Protocol):
    """The failpoints of one invocation."""

    async def reach(self, step: str, moment: Moment) -> None:
        """A step has come to a moment. To refuse there, raise a domain error, in every replay the same."""
        ...


# The failpoints of a handler for one key: (handler's name, key).
FailpointsOf = Callable[[str, str], Failpoints]


class NoFailpoints:
    """Nothing happens anywhere."""

    async def reach(self, step: str, moment: Moment) -> None:
        """Go on."""


NO_FAILPOINTS = NoFailpoints()


def no_failpoints(handler: str, key: str) -> Failpoints:
    """What handlers run with unless told otherwise."""
    return NO_FAILPOINTS
