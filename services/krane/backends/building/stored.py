"""What pruning looks at. It stands alone, so that a build job loads no more than that."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """A source or an image that is there."""

    reference: str
    # Tells it from what was there under the same reference before.
    incarnation: str
    # Who needs one of these needs it. The reference is one of them.
    names: frozenset[str]
