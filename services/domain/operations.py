"""What is done to a project's deployments, and what happens to them."""

from enum import StrEnum


class Operation(StrEnum):
    """What a step belongs to."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    SWITCH = "switch"  # hostnames were moved, by whoever may call the durable services


class TransitionKind(StrEnum):
    """What happened to a deployment."""

    CREATED = "created"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    ASSIGN = "assign"  # hostnames moved to it, since it became ready
    ROLLBACK = "rollback"  # hostnames moved to it
    PROMOTE = "promote"
    SWITCH = "switch"
    WITHDRAW = "withdraw"  # its hostnames were taken away, since it was removed
