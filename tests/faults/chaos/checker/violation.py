"""A broken promise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was promised, how it was broken, and the records that show it."""

    # I1 to I9, or live.
    promise: str
    message: str
    evidence: tuple[object, ...] = ()
