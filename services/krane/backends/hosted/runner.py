"""What a backend does for one instance, and for one task."""

from typing import Protocol

from services.krane.backends.supervision.ending import Ending


class CommandRun(Protocol):
    """One run of a command; it outlives krane, and the next krane finds it."""

    async def wait(self) -> Ending:
        """Wait for the end of the run, or say how the last one ended."""
        ...

    async def stop(self) -> object:
        """End the run and everything it started: asked first, killed when the grace period is over.

        Succeeds when it is gone; raises Unavailable when it cannot be ended now.
        """
        ...


class InstanceRunner(CommandRun, Protocol):
    """The runs of one instance, one after the other."""

    @property
    def address(self) -> str:
        """host:port where the current run listens, then where the next one is meant to; empty before the first."""
        ...

    async def start(self) -> None:
        """Begin a run; returns when it is there.

        Raises Unavailable when that may succeed later, and a Refusal when it never will.
        """
        ...

    async def is_started(self) -> bool:
        """Whether a run is there."""
        ...

    async def forget(self) -> None:
        """Forget the run that ended: it counts as never begun."""
        ...
