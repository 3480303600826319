"""Find differences between the three views of an installation, and decide when to repair them.

The views are the rows of the database, the deployments in krane, and the unfinished invocations in Restate. They are
read one after the other, so a healthy operation may look wrong for a moment. Therefore a finding is repaired only if
every pass of a grace period has made it. Time is an argument, and monotonic.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from services.domain.status import ENDED, GONE, DeploymentStatus


class Repair(StrEnum):
    """What to do about a finding."""

    CANCEL = "end as cancelled"
    FAIL = "end as failed"
    CLEAR = "remove what is left"
    STOP = "stop again"
    START = "start again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A deployment in the database."""

    id: str
    workspace_id: str
    project_id: str
    status: DeploymentStatus
    # None: not handed over to Restate yet.
    invocation_id: str | None
    is_cancel_requested: bool
    # A sticky domain or live points at it.
    is_followed: bool
    # A domain, a gateway config or an instance record refers to it.
    has_traces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KraneDeployment:
    """A deployment in krane."""

    id: str
    namespace: str
    is_stopped: bool
    # An instance has failed, and krane does not start it again by itself.
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class KraneTask:
    """A release task known to krane, running or ended; `id` is that of the deployment."""

    id: str
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """The three views, as read by one pass."""

    recorded: tuple[Recorded, ...]
    krane_deployments: tuple[KraneDeployment, ...]
    krane_tasks: frozenset[KraneTask] = frozenset()
    # Ids of the invocations that Restate has not finished.
    invocations: frozenset[str]
    # Projects with a running or queued operation, which may start and stop deployments itself.
    busy_projects: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. Equal findings of two passes count as the same."""

    deployment_id: str
    workspace_id: str
    # Empty if there is no row.
    project_id: str
    # Empty if the row has none.
    invocation_id: str
    repair: Repair
    reason: str


def find_differences(views: Views) -> tuple[Finding, ...]:
    """Compare the views. Returns at most one finding per deployment, sorted by deployment."""
    krane_deployments = {(one.namespace, one.id): one for one in views.krane_deployments}
    known = {(row.workspace_id, row.id) for row in views.recorded}
    findings = [
        _found(row, *wrong)
        for row in views.recorded
        if (wrong := _difference(row, krane_deployments.get((row.workspace_id, row.id)), views))
    ]
    held = krane_deployments.keys() | {(one.namespace, one.id) for one in views.krane_tasks}
    findings += [_orphan(*key) for key in held - known]
    return tuple(sorted(findings, key=lambda finding: (finding.deployment_id, finding.workspace_id)))


@dataclass(slots=True)
class Patience:
    """Remembers since when each finding has been made by every pass."""

    # Seconds.
    grace: float
    _since: dict[Finding, float] = field(default_factory=dict[Finding, float])

    def ripe(self, findings: Iterable[Finding], now: float) -> tuple[Finding, ...]:
        """Return the findings that every pass has made for the grace period; `now` is monotonic time in seconds.

        After that, the time of a returned finding starts again.
        """
        earlier = self._since
        self._since = {finding: earlier.get(finding, now) for finding in findings}
        due = tuple(f for f, since in self._since.items() if f in earlier and now - since >= self.grace)
        for finding in due:
            del self._since[finding]
        return due

    def forget(self) -> None:
        """Start again, after a pass that could not read all views."""
        self._since.clear()


def _difference(row: Recorded, one: KraneDeployment | None, views: Views) -> tuple[Repair, str] | None:
    if row.status not in ENDED:
        return _lost(row, views.invocations)
    if row.status in GONE:
        is_left = one is not None or row.has_traces or KraneTask(row.id, row.workspace_id) in views.krane_tasks
        return (Repair.CLEAR, f"it is {row.status}, and something of it is left") if is_left else None
    if row.project_id in views.busy_projects:
        return None
    if row.status is DeploymentStatus.STOPPED:
        runs = one is not None and not one.is_stopped
        return (Repair.STOP, "it is stopped, and krane runs it") if runs else None
    if row.is_followed and (one is None or one.is_stopped):
        return Repair.START, f"traffic is routed to it, and krane {'does not know it' if one is None else 'stopped it'}"
    if row.is_followed and one is not None and one.has_failed:
        return Repair.START, "traffic is routed to it, and an instance of it has failed"
    return None


def _lost(row: Recorded, invocations: frozenset[str]) -> tuple[Repair, str] | None:
    if row.invocation_id in invocations:
        return None
    if row.status is DeploymentStatus.PENDING:
        # Without an invocation it still waits for its hand-over.
        return (Repair.CANCEL, "it left Restate's queue before it began") if row.invocation_id else None
    reason = f"lost: Restate has no unfinished invocation {row.invocation_id} for it while it is {row.status}"
    return (Repair.CANCEL if row.is_cancel_requested else Repair.FAIL), reason


def _found(row: Recorded, repair: Repair, reason: str) -> Finding:
    return Finding(
        deployment_id=row.id,
        workspace_id=row.workspace_id,
        project_id=row.project_id,
        invocation_id=row.invocation_id or "",
        repair=repair,
        reason=reason,
    )


def _orphan(namespace: str, deployment_id: str) -> Finding:
    return Finding(
        deployment_id=deployment_id,
        workspace_id=namespace,
        project_id="",
        invocation_id="",
        repair=Repair.CLEAR,
        reason="krane has it, and no row names it",
    )
