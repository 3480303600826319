"""Which ready deployments keep running."""

from collections.abc import Collection, Sequence

from services.domain.live import Candidate
from services.domain.status import DeploymentStatus


def surplus(deployments: Sequence[Candidate], needed: Collection[str], keep: int) -> list[Candidate]:
    """The ready deployments of one environment to retire, oldest first.

    Kept are the newest `keep`, and all that are needed: the live one, the previous live one, and every one that a
    domain which follows something points at.
    """
    ready = sorted((d for d in deployments if d.status is DeploymentStatus.READY), key=lambda d: d.generation)
    return [d for d in ready[: max(len(ready) - keep, 0)] if d.id not in needed]
