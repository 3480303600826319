"""How one run of a command ended, whatever ran it."""

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended, or that it never began: that counts as stopped."""

    # Negative: by that signal. None: nobody saw it, because whatever held the run was lost with it.
    exit_code: int | None
    was_stopped: bool
    # What happened, as the beginning of a sentence, when the exit code does not say it; empty otherwise.
    cause: str = ""

    @property
    def is_own(self) -> bool:
        """It ended by itself: nobody asked for it, and nothing befell what held it."""
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
