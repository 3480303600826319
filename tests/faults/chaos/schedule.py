"""What a run does and when. Only the seed decides: the same seed gives the same schedule.

The target of an operation or a fault depends on what exists at its time; `pick` selects one of the candidates.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

PROJECTS: Final = 3
OPERATIONS_PER_MINUTE: Final = 60.0
FAULTS_PER_MINUTE: Final = 26.0

T = TypeVar("T")


class Act(StrEnum):
    """What a user does."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    CANCEL = "cancel"  # a deploy that is cancelled soon after
    RETRY = "retry"  # an earlier deploy again, with its idempotency key


class Blow(StrEnum):
    """The kind of a fault."""

    KILL = "kill"
    TERMINATE = "terminate"
    FREEZE = "freeze"
    LOCK_DATABASE = "lock database"
    KILL_APP = "kill app"


_ACTS: Final = {Act.DEPLOY: 50, Act.ROLLBACK: 12, Act.PROMOTE: 16, Act.CANCEL: 14, Act.RETRY: 8}
_BEHAVIOURS: Final = {"ok": 84, "slow": 6, "exit": 7, "unhealthy": 3}
BEHAVIOURS: Final = tuple(_BEHAVIOURS)
_ENVIRONMENTS: Final = {"production": 75, "preview": 25}
_BRANCHES: Final = {"main": 80, "feat/x": 20}
_REPLICAS: Final = {1: 85, 2: 15}
_BLOWS: Final = {
    (Blow.KILL, "endpoint"): 12,
    (Blow.KILL, "restate"): 6,
    (Blow.KILL, "krane"): 8,
    (Blow.KILL, "ctrl"): 8,
    (Blow.KILL, "gateway"): 8,
    (Blow.KILL, "envoy"): 1,
    (Blow.TERMINATE, "endpoint"): 5,
    (Blow.FREEZE, "endpoint"): 10,
    (Blow.FREEZE, "krane"): 8,
    (Blow.FREEZE, "gateway"): 10,
    (Blow.LOCK_DATABASE, "database"): 12,
    (Blow.KILL_APP, "app"): 12,
}
SHORTEST_BLOW: Final = 0.5
LONGEST_BLOW: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One action of a user, `at` seconds after the start."""

    at: float
    project: int
    act: Act
    # In [0, 1): selects one of the candidates.
    pick: float
    # For a deploy: what is deployed, and where.
    behaviour: str
    environment: str
    branch: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault in one part, `at` seconds after the start."""

    at: float
    blow: Blow
    part: str
    # Duration, for faults that have one.
    seconds: float
    pick: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything that a run does, in order."""

    operations: tuple[Operation, ...]
    faults: tuple[Fault, ...]


def draw(seed: int, seconds: float) -> Schedule:
    """Return the schedule of a run of this length."""
    chance = random.Random(seed)
    return Schedule(
        operations=tuple(_operation(chance, at) for at in _moments(chance, seconds, OPERATIONS_PER_MINUTE)),
        faults=tuple(_fault(chance, at) for at in _moments(chance, seconds, FAULTS_PER_MINUTE)),
    )


def opening() -> tuple[Operation, ...]:
    """Return the undisturbed beginning of every run: each project gets a live deployment, and one to roll back to."""
    return tuple(
        Operation(
            at=0.0,
            project=project,
            act=Act.DEPLOY,
            pick=0.0,
            behaviour="ok",
            environment=environment,
            branch="main",
            replicas=1,
        )
        for project in range(PROJECTS)
        for environment in ("production", "production", "preview")
    )


def choose(candidates: Sequence[T], pick: float) -> T:
    """Return the candidate that a pick in [0, 1) selects."""
    return candidates[int(pick * len(candidates))]


def _moments(chance: random.Random, seconds: float, per_minute: float) -> Iterator[float]:
    at = chance.expovariate(per_minute / 60)
    while at < seconds:
        yield at
        at += chance.expovariate(per_minute / 60)


def _operation(chance: random.Random, at: float) -> Operation:
    return Operation(
        at=at,
        project=chance.randrange(PROJECTS),
        act=_weighted(chance, _ACTS),
        pick=chance.random(),
        behaviour=_weighted(chance, _BEHAVIOURS),
        environment=_weighted(chance, _ENVIRONMENTS),
        branch=_weighted(chance, _BRANCHES),
        replicas=_weighted(chance, _REPLICAS),
    )


def _fault(chance: random.Random, at: float) -> Fault:
    blow, part = _weighted(chance, _BLOWS)
    return Fault(at=at, blow=blow, part=part, seconds=chance.uniform(SHORTEST_BLOW, LONGEST_BLOW), pick=chance.random())


def _weighted(chance: random.Random, weights: dict[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
