"""Which ready deployments keep running, and which stopped ones can be started again."""

from collections.abc import Collection, Sequence

from services.domain.live import Candidate
from services.domain.status import DeploymentStatus


def surplus(
    deployments: Sequence[Candidate], status: DeploymentStatus, needed: Collection[str], keep: int
) -> list[Candidate]:
    """The deployments of one environment and status to let go, oldest first: ready ones stop, stopped ones are removed.

    Kept are the newest `keep`, and all that are needed: the live one, the previous live one, and every one that a
    domain which follows something points at.
    """
    found = sorted((d for d in deployments if d.status is status), key=lambda d: d.generation)
    return [d for d in found[: max(len(found) - keep, 0)] if d.id not in needed]
