"""Decide which ready deployments keep running, and which stopped ones are kept."""

from collections.abc import Collection, Sequence

from services.domain.live import Candidate
from services.domain.status import DeploymentStatus


def surplus(
    deployments: Sequence[Candidate], status: DeploymentStatus, needed: Collection[str], keep: int
) -> list[Candidate]:
    """Return the deployments of one environment and status to retire, oldest first.

    Ready ones are then stopped, and stopped ones removed. The newest `keep` stay, and all in `needed`: the live one,
    the previous live one, and every one that a sticky domain points at.
    """
    found = sorted((d for d in deployments if d.status is status), key=lambda d: d.generation)
    return [d for d in found[: max(len(found) - keep, 0)] if d.id not in needed]
