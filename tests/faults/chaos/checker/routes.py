"""I1 and I2 in the database: what every read transaction has to show."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import History, HostnameRow, Snapshot

# A deployment gets its hostnames in the last step before it is ready.
ROUTABLE: Final = frozenset({DeploymentStatus.NETWORK, DeploymentStatus.READY})


def check_snapshots(history: History) -> Iterator[Violation]:
    """Each snapshot by itself, and each pair in a row."""
    statuses: dict[str, DeploymentStatus] = {}
    for snapshot in history.snapshots:
        statuses |= snapshot.statuses
        for hostname, row in snapshot.hostnames.items():
            yield from _check_hostname(hostname, row, snapshot, statuses)
    for before, after in pairwise(history.snapshots):
        yield from _check_revisions(before, after)


def _check_hostname(
    hostname: str, row: HostnameRow, snapshot: Snapshot, statuses: dict[str, DeploymentStatus]
) -> Iterator[Violation]:
    if row.config_deployment_id != row.deployment_id:
        message = f"{hostname} is a domain of {row.deployment_id} and a gateway config of {row.config_deployment_id}"
        yield Violation(promise="I2", message=message, evidence=(snapshot,))
    status = statuses.get(row.deployment_id)
    if status not in ROUTABLE:
        message = f"{hostname} names {row.deployment_id}, which is {status}"
        yield Violation(promise="I1", message=message, evidence=(snapshot,))
    live = snapshot.projects[row.project_id].live
    follows_live = row.sticky == Sticky.LIVE or (row.sticky == Sticky.ENVIRONMENT and row.is_production)
    if follows_live and row.deployment_id != live:
        message = f"{hostname} names {row.deployment_id} while {live} is live"
        yield Violation(promise="I2", message=message, evidence=(snapshot,))


def _check_revisions(before: Snapshot, after: Snapshot) -> Iterator[Violation]:
    if after.revision < before.revision:
        message = f"the routing revision went from {before.revision} back to {after.revision}"
        yield Violation(promise="I2", message=message, evidence=(before, after))
    if after.acknowledged < before.acknowledged:
        message = f"the acknowledged revision went from {before.acknowledged} back to {after.acknowledged}"
        yield Violation(promise="I2", message=message, evidence=(before, after))
    if after.acknowledged > after.revision:
        message = f"revision {after.acknowledged} is acknowledged and {after.revision} is the newest"
        yield Violation(promise="I2", message=message, evidence=(after,))
