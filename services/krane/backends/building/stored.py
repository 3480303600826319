"""What pruning looks at. A module of its own, so that a build job imports little."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored source or image."""

    reference: str
    # Differs from that of an earlier object with the same reference.
    incarnation: str
    # The object is needed if one of these names is. The reference is one of them.
    names: frozenset[str]
