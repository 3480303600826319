"""Whether the live pointer and the rolled-back flag of a project behave as one register.

Theory of operation. Every operation and every read of the database has a span in which it happened at one moment. The
history is linearizable when there is an order of these moments, each in its span, in which every operation and read is
what a single register would do. The search is that of Wing and Gong (1993), depth first, remembering which sets of
calls it has left with which register, as Lowe (2017) proposes: the next call is one that began before all calls still
to come have ended.

Operations that ended as undone may have been seen in between: they are two calls, the attempt and its undo, which both
happened or both did not, and nothing else moves the register between them. Operations without an answer may have
happened at any time, or not at all.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from services.domain.status import ENDED, DeploymentStatus
from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import DeploymentRow, Done, History, Outcome, ProjectRow, Snapshot, Span
from tests.faults.chaos.schedule import Act

# How many states the search looks at before it gives up; healthy histories need a few for each call.
MOST_STATES: Final = 100_000
# A deployment in one of these has been ready.
_SERVED: Final = frozenset({DeploymentStatus.READY, DeploymentStatus.STOPPED, DeploymentStatus.REMOVED})
# What is shown around a call that nothing explains.
NEARBY_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A project's live pointer and flag, and what an attempt that is to be undone has found."""

    live: str | None
    is_rolled_back: bool
    attempt: int | None = None
    before: "Register | None" = None


# The register afterwards; None when the call is impossible there.
Effect = Callable[[Register], Register | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation or a read, its span, and what it does to the register."""

    name: str
    span: Span
    effect: Effect
    # False: it may also not have happened.
    is_certain: bool = True


def check_live(history: History) -> Iterator[Violation]:
    """Every project by itself."""
    projects = history.snapshots[0].projects if history.snapshots else {}
    for project_id, row in projects.items():
        calls = calls_of(history, project_id)
        stuck = search(Register(live=row.live, is_rolled_back=row.is_rolled_back), calls)
        if stuck is not None:
            message = f"live of project {project_id} is not linearizable: nothing explains {stuck.name}"
            nearby = tuple((call.name, call.span) for call in calls if _is_near(call.span, stuck.span))
            yield Violation(promise="live", message=message, evidence=nearby)


def search(register: Register, calls: list[Call]) -> Call | None:
    """None when an order exists; else the call that the longest attempt could not get past. `calls` by begin."""
    certain = sum(1 << index for index, call in enumerate(calls) if call.is_certain)
    stack = [(0, register)]
    seen = {(0, register)}
    stuck, furthest = calls[0] if calls else None, -math.inf
    while stack and len(seen) < MOST_STATES:
        taken, register = stack.pop()
        if taken & certain == certain and register.attempt is None:
            return None
        possible, blocking = _next_calls(calls, taken)
        if blocking is not None and blocking.span.end > furthest:
            stuck, furthest = blocking, blocking.span.end
        for index in possible:
            after = calls[index].effect(register)
            if after is not None and (state := (taken | 1 << index, after)) not in seen:
                seen.add(state)
                stack.append(state)
    return stuck


def _next_calls(calls: list[Call], taken: int) -> tuple[list[int], Call | None]:
    """Which calls may come next, the most promising last, and the one that has to come before all that begin later."""
    blocking: Call | None = None
    open_calls: list[int] = []
    latest_begin = -math.inf
    for index, call in enumerate(calls):
        if blocking is not None and call.span.begin > blocking.span.end:
            break
        if taken >> index & 1:
            latest_begin = call.span.begin
            continue
        open_calls.append(index)
        if call.is_certain and (blocking is None or call.span.end < blocking.span.end):
            blocking = call
    last = blocking.span.end if blocking is not None else math.inf
    possible = [i for i in open_calls if calls[i].span.begin <= last and calls[i].span.end >= latest_begin]
    return sorted(possible, key=lambda i: (calls[i].is_certain, -calls[i].span.end)), blocking


def calls_of(history: History, project_id: str) -> list[Call]:
    """All calls on the register of a project, by their begin."""
    moves = [d for d in history.operations if d.project_id == project_id and d.act in (Act.ROLLBACK, Act.PROMOTE)]
    calls = [
        *_reads(history.snapshots, project_id),
        *_deploys(history, project_id),
        *(call for number, done in enumerate(moves) for call in _moves(done, number)),
    ]
    return sorted(calls, key=lambda call: call.span.begin)


def _reads(snapshots: Sequence[Snapshot], project_id: str) -> Iterator[Call]:
    for row, group in groupby(snapshots, key=lambda snapshot: snapshot.projects[project_id]):
        same = list(group)
        for span in (same[0].first, same[-1].last):
            yield Call(name=f"read {row.live}, rolled back: {row.is_rolled_back}", span=span, effect=_read(row))


def _deploys(history: History, project_id: str) -> Iterator[Call]:
    asked = {(d.project_id, d.idempotency_key): d.span.begin for d in history.operations if d.act is Act.DEPLOY}
    rows = [row for row in history.rest.deployments if row.project_id == project_id] if history.rest else []
    generations = {row.id: row.generation for row in rows}
    ended = _ends(history.snapshots)
    for row in rows:
        # What had ended before the first read is in the register already.
        is_known = history.snapshots[0].statuses.get(row.id) in ENDED
        if is_known or not row.is_production or row.status is DeploymentStatus.SUPERSEDED:
            continue
        span = Span(begin=asked[project_id, row.idempotency_key], end=ended.get(row.id, math.inf))
        take = _take(row, generations)
        if row.status in _SERVED:
            yield Call(name=f"deploy {row.id}", span=span, effect=_or_nothing(take))
        else:
            yield from _undone(f"deploy {row.id}", span, take, row.generation)


def _moves(done: Done, number: int) -> Iterator[Call]:
    name = f"{done.act} to {done.deployment_id}"
    effect = _move(done)
    match done.outcome:
        case Outcome.OK:
            yield Call(name=name, span=done.span, effect=effect)
        case Outcome.REFUSED:
            yield from _undone(name, done.span, effect, -1 - number)
        case Outcome.UNKNOWN | Outcome.UNANSWERED:
            span = Span(begin=done.span.begin, end=math.inf)
            yield Call(name=name, span=span, effect=effect, is_certain=False)
        case Outcome.NOTHING_TO_DO:
            return


def _undone(name: str, span: Span, effect: Effect, number: int) -> Iterator[Call]:
    """An attempt and its undo, in the span of the whole; `number` is the attempt's own in its project."""

    def attempt(register: Register) -> Register | None:
        after = effect(register)
        return after and replace(after, attempt=number, before=register)

    def undo(register: Register) -> Register | None:
        return register.before if register.attempt == number else None

    yield Call(name=name, span=span, effect=attempt, is_certain=False)
    yield Call(name=f"undo of {name}", span=span, effect=undo, is_certain=False)


def _read(row: ProjectRow) -> Effect:
    def effect(register: Register) -> Register | None:
        return register if (register.live, register.is_rolled_back) == (row.live, row.is_rolled_back) else None

    return effect


def _take(row: DeploymentRow, generations: Mapping[str, int]) -> Effect:
    """Live moves to the deployment, unless it is held or something newer is live."""

    def effect(register: Register) -> Register | None:
        is_newer = register.live is None or generations[register.live] < row.generation
        if register.attempt is not None or register.is_rolled_back or not is_newer:
            return None
        return replace(register, live=row.id)

    return effect


def _or_nothing(take: Effect) -> Effect:
    """A deployment that became ready without taking live has changed nothing."""

    def effect(register: Register) -> Register | None:
        return None if register.attempt is not None else take(register) or register

    return effect


def _move(done: Done) -> Effect:
    """Live moves to the target by hand: a rollback from the live deployment only, a promote from any."""

    def effect(register: Register) -> Register | None:
        is_stale = done.source_id not in ("", register.live)
        if register.attempt is not None or is_stale:
            return None
        return replace(register, live=done.deployment_id, is_rolled_back=done.act is Act.ROLLBACK)

    return effect


def _ends(snapshots: Sequence[Snapshot]) -> dict[str, float]:
    """When a deployment was seen to have ended for the first time."""
    ends: dict[str, float] = {}
    for snapshot in snapshots:
        for deployment_id, status in snapshot.statuses.items():
            if status in ENDED:
                ends.setdefault(deployment_id, snapshot.first.end)
    return ends


def _is_near(one: Span, other: Span) -> bool:
    return one.begin <= other.end + NEARBY_SECONDS and other.begin - NEARBY_SECONDS <= one.end
