"""How one run of a command ended."""

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. A run that never began counts as stopped."""

    # Negative: the signal that ended it. None: unknown, because the supervisor was lost with it.
    exit_code: int | None
    was_stopped: bool
    # What happened, as the beginning of a sentence, if the exit code does not tell; else empty.
    cause: str = ""

    @property
    def is_own(self) -> bool:
        """It ended by itself: nobody stopped it, and its supervisor was not lost."""
        return self.exit_code is not None and not self.was_stopped

    @property
    def reason(self) -> str:
        """What happened, as the beginning of a sentence."""
        if self.cause or self.exit_code is None:
            return self.cause or "it was lost"
        if self.exit_code < 0:
            return f"it was ended by {_signal_name(-self.exit_code)}"
        return f"it exited with code {self.exit_code}"


NEVER_RAN = Ending(exit_code=None, was_stopped=True)


def _signal_name(number: int) -> str:
    # Most real-time signals have no name.
    return signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
