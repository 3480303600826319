"""I4, I5, I6, I7 and I9: what deployments have to have come to."""

from collections import defaultdict
from collections.abc import Iterator

from services.domain.status import ENDED, DeploymentStatus
from services.domain.stickiness import Sticky
from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import DeploymentRow, History, Ledger, Outcome, Rest
from tests.faults.chaos.schedule import Act

_MOVES_LIVE = frozenset({"rollback", "promote"})


def check_keys(history: History) -> Iterator[Violation]:
    """I4: an idempotency key is one deployment, for everybody who uses it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for done in history.operations:
        if done.act in (Act.DEPLOY, Act.RETRY) and done.outcome is Outcome.OK:
            found[done.project_id, done.idempotency_key].add(done.deployment_id)
    for row in history.rest.deployments if history.rest else ():
        found[row.project_id, row.idempotency_key].add(row.id)
    for (project_id, key), deployment_ids in found.items():
        if len(deployment_ids) > 1:
            message = f"key {key} of project {project_id} is {len(deployment_ids)} deployments"
            yield Violation(promise="I4", message=message, evidence=tuple(sorted(deployment_ids)))


def check_cancels(history: History) -> Iterator[Violation]:
    """I7: from the answer to a cancel on, a deployment that was not live does not become it."""
    for done in history.operations:
        if done.act is not Act.CANCEL or not done.is_cancelling:
            continue
        live = [s for s in history.snapshots if s.projects[done.project_id].live == done.deployment_id]
        if live and live[0].first.begin > done.span.end:
            message = f"{done.deployment_id} became live after its cancel was acknowledged"
            yield Violation(promise="I7", message=message, evidence=(done, live[0]))


def check_ledger(history: History) -> Iterator[Violation]:
    """I9, and that commit hostnames never move."""
    for entry in history.rest.ledger if history.rest else ():
        if entry.was_rolled_back and entry.live_before != entry.live_after and entry.kind not in _MOVES_LIVE:
            message = f"{entry.kind} moved live to {entry.live_after} while project {entry.project_id} was rolled back"
            yield Violation(promise="I9", message=message, evidence=(entry,))
        yield from _check_commit_hostnames(entry)


def check_rest(history: History) -> Iterator[Violation]:
    """I4, I5 and I6 once nothing moves any more."""
    rest = history.rest
    if rest is None:
        return
    if rest.settled_after is None:
        yield Violation(promise="I5", message="the installation did not come to rest before the deadline")
    for row in rest.deployments:
        if row.status not in ENDED:
            yield Violation(promise="I5", message=f"{row.id} is {row.status} for ever", evidence=(row,))
        yield from _check_processes(row, rest)
        yield from _check_krane(row, rest)
    for deployment_id in sorted(set(rest.krane) - {row.id for row in rest.deployments}):
        yield Violation(promise="I6", message=f"krane has {deployment_id}, which the database does not know")


def _check_processes(row: DeploymentRow, rest: Rest) -> Iterator[Violation]:
    wanted = row.replicas if row.status is DeploymentStatus.READY else 0
    running = rest.processes.get(row.id, 0)
    if running != wanted:
        message = f"{row.id} is {row.status} and has {running} processes instead of {wanted}"
        yield Violation(promise="I4", message=message, evidence=(row,))


def _check_krane(row: DeploymentRow, rest: Rest) -> Iterator[Violation]:
    wanted = {DeploymentStatus.READY: "running", DeploymentStatus.STOPPED: "stopped"}.get(row.status)
    seen = rest.krane.get(row.id)
    if seen != wanted:
        message = f"{row.id} is {row.status} in the database and {seen or 'unknown'} in krane"
        yield Violation(promise="I6", message=message, evidence=(row,))


def _check_commit_hostnames(entry: Ledger) -> Iterator[Violation]:
    for move in entry.moved:
        if move.sticky == Sticky.COMMIT and None not in (move.before, move.after):
            message = f"commit hostname {move.hostname} moved from {move.before} to {move.after}"
            yield Violation(promise="I1", message=message, evidence=(entry,))
