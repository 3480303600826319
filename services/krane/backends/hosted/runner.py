"""What a hosted backend implements to run one instance or task."""

from typing import Protocol

from services.krane.backends.supervision.ending import Ending


class CommandRun(Protocol):
    """One run of a command. It outlives krane, and the next krane finds it."""

    async def wait(self) -> Ending:
        """Wait until the run ends, and return how; if nothing runs, return how the last run ended."""
        ...

    async def stop(self) -> object:
        """End the run and everything it started: SIGTERM, then SIGKILL after the grace period.

        Succeeds if the run is gone. Raises Unavailable if it cannot be ended now.
        """
        ...


class InstanceRunner(CommandRun, Protocol):
    """The runs of one instance, one after the other."""

    @property
    def address(self) -> str:
        """host:port of the current run; between runs, that of the next one; empty before the first."""
        ...

    async def start(self) -> None:
        """Begin a run; returns when it exists.

        Raises Unavailable if a retry may succeed, and a Refusal if it never will.
        """
        ...

    async def is_started(self) -> bool:
        """Return whether a run exists."""
        ...

    async def move(self) -> None:
        """Choose another address for the next run if the ended one may have been unable to listen on its own."""
        ...

    async def is_frozen(self) -> bool:
        """Return whether every process of the run is stopped, as by SIGSTOP; False if that is not known."""
        ...

    async def elsewhere(self) -> str:
        """Return where the run listens instead of its port, in one sentence; empty if nowhere or not known."""
        ...

    async def forget(self) -> None:
        """Forget the ended run, as if it had never begun."""
        ...
