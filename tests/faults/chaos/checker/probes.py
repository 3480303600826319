"""I1 and I3 at the gateway: what every probe has to show.

A probe may be answered by every deployment that its hostname named from the moment that the gateways have acknowledged
until the probe's end: what was in force before is stale, what comes later is from the future. A failed probe is excused
while Envoy was down, while one of these deployments recovers from having its app killed, and when the hostname named
nothing ready.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from services.domain.status import DeploymentStatus
from tests.faults.chaos.checker.routes import ROUTABLE
from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import History, Probe, Snapshot, Span, Struck
from tests.faults.chaos.schedule import Blow

# Envoy acknowledges in its main thread and tells its workers at once; a busy machine lets them wait.
WORKERS_SECONDS: Final = 0.5
# A deployment whose app was killed answers at the latest when krane, which alone brings it back, was left alone for
# so long.
RECOVERY_SECONDS: Final = 20.0
# New connections are refused a little longer than Envoy's own health page says.
ENVOY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a probe may meet."""

    deployment_ids: frozenset[str]
    # Whether the hostname named something ready all the time.
    is_always_served: bool


def check_probes(history: History) -> Iterator[Violation]:
    """Every probe."""
    timeline = Timeline(history)
    windows = excused_windows(history)
    for probe in history.probes:
        allowed = timeline.allowed(probe)
        if probe.status == HTTPStatus.OK:
            if allowed.deployment_ids and probe.deployment_id not in allowed.deployment_ids:
                names = ", ".join(sorted(allowed.deployment_ids))
                message = f"{probe.hostname} was answered by {probe.deployment_id} and names {names}"
                yield Violation(promise="I1", message=message, evidence=(probe,))
        elif allowed.is_always_served and not _is_excused(probe, allowed, windows):
            message = f"{probe.hostname} failed with {probe.status or 'no answer'}: {probe.detail.strip()}"
            yield Violation(promise="I3", message=message, evidence=(probe, *sorted(allowed.deployment_ids)))


class Timeline:
    """Who a hostname named at any time, and whether the gateways knew."""

    def __init__(self, history: History) -> None:
        self._snapshots = history.snapshots
        self._begins = [snapshot.first.begin for snapshot in history.snapshots]
        self._ends = [snapshot.first.end for snapshot in history.snapshots]
        self._revisions = [snapshot.revision for snapshot in history.snapshots]
        self._statuses = _statuses(history.snapshots)
        # Values that came and went between two snapshots are in the ledger only.
        self._moves: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for entry in history.rest.ledger if history.rest else ():
            for move in entry.moved:
                self._moves[move.hostname] += [(entry.revision, id) for id in (move.before, move.after) if id]

    def allowed(self, probe: Probe) -> Allowed:
        """What the probe may meet."""
        known = max(bisect_right(self._ends, probe.span.begin - WORKERS_SECONDS) - 1, 0)
        served = max(bisect_right(self._revisions, self._snapshots[known].acknowledged) - 1, 0)
        last = self._last_seen_by(probe.span.end)
        within = range(min(served, known), last + 1)
        if probe.named_id:
            return Allowed(
                deployment_ids=frozenset({probe.named_id}),
                is_always_served=all(self._is(probe.named_id, {DeploymentStatus.READY}, index) for index in within),
            )
        rows = [self._snapshots[index].hostnames.get(probe.hostname) for index in within]
        named = {row.deployment_id for row in rows if row is not None}
        revisions = range(self._revisions[within[0]] + 1, self._revisions[last] + 1)
        named |= {id for revision, id in self._moves[probe.hostname] if revision in revisions}
        return Allowed(
            deployment_ids=frozenset(named),
            is_always_served=all(
                row is not None and self._is(row.deployment_id, ROUTABLE, index)
                for index, row in zip(within, rows, strict=True)
            ),
        )

    def _last_seen_by(self, moment: float) -> int:
        """The snapshot in force at the moment; the next one when it may have been in force already."""
        last = bisect_right(self._begins, moment) - 1
        may_have_changed = self._snapshots[last].last.begin < moment
        return min(last + may_have_changed, len(self._snapshots) - 1)

    def _is(self, deployment_id: str, statuses: frozenset[DeploymentStatus] | set[DeploymentStatus], at: int) -> bool:
        indexes, values = self._statuses[deployment_id]
        position = bisect_right(indexes, at) - 1
        return position >= 0 and values[position] in statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """When probes may fail."""

    envoy: Sequence[Span]
    # By deployment: from each kill of its app until it answered again.
    apps: dict[str, list[Span]]


def excused_windows(history: History) -> Windows:
    """When Envoy was down, and when which deployment was recovering from a kill of its app."""
    apps: dict[str, list[Span]] = defaultdict(list)
    for struck in history.faults:
        if struck.hit and struck.blow is Blow.KILL_APP:
            apps[struck.deployment_id].append(Span(begin=struck.span.begin, end=_recovered(struck, history)))
    envoy = [
        Span(begin=struck.span.begin, end=struck.span.end + ENVOY_SECONDS)
        for struck in history.faults
        if struck.hit and struck.blow is Blow.KILL and struck.part == "envoy"
    ]
    return Windows(envoy=envoy, apps=apps)


def is_in_envoy_window(probe: Probe, windows: Windows) -> bool:
    """Whether Envoy was down during the probe."""
    return any(_overlap(probe.span, span) for span in windows.envoy)


def _is_excused(probe: Probe, allowed: Allowed, windows: Windows) -> bool:
    recovering = (span for id in allowed.deployment_ids for span in windows.apps.get(id, []))
    return is_in_envoy_window(probe, windows) or any(_overlap(probe.span, span) for span in recovering)


def _recovered(struck: Struck, history: History) -> float:
    """When the deployment answered for the first time after its app was killed, or has to."""
    deadline = struck.span.end + RECOVERY_SECONDS
    for fault in sorted(history.faults, key=lambda fault: fault.span.begin):
        if fault.hit and fault.part == "krane" and struck.span.begin <= fault.span.end and fault.span.begin <= deadline:
            deadline = max(deadline, fault.span.end + RECOVERY_SECONDS)
    answers = (
        probe.span.end
        for probe in history.probes
        if probe.deployment_id == struck.deployment_id and probe.span.begin > struck.span.end
    )
    return min([*answers, deadline]) + WORKERS_SECONDS


def _overlap(one: Span, other: Span) -> bool:
    return one.begin <= other.end and other.begin <= one.end


def _statuses(snapshots: Sequence[Snapshot]) -> dict[str, tuple[list[int], list[DeploymentStatus]]]:
    """By deployment: from which snapshot on it has which status."""
    found: dict[str, tuple[list[int], list[DeploymentStatus]]] = defaultdict(lambda: ([], []))
    for index, snapshot in enumerate(snapshots):
        for deployment_id, status in snapshot.statuses.items():
            found[deployment_id][0].append(index)
            found[deployment_id][1].append(status)
    return found
