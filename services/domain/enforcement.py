"""What the contract has a field for and no gateway enforces: asking for it is refused, never ignored."""

from services.domain.errors import PreconditionFailed


def not_enforced(field: str, remedy: str) -> PreconditionFailed:
    """The refusal of a request that sets `field`; `remedy` says what to send instead."""
    return PreconditionFailed(f"no gateway enforces {field}, so that traffic would pass without it: {remedy}")
