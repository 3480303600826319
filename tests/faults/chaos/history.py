"""The records of a run. Times are seconds since its start, on one monotonic clock."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from services.domain.status import DeploymentStatus
from tests.faults.chaos.schedule import Act, Blow

# Status of a probe without an answer.
NO_ANSWER: Final = 0


class Outcome(StrEnum):
    """How an operation ended, as its caller sees it."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # late, or refused after an unanswered attempt: it may have happened or not
    UNANSWERED = "unanswered"  # after all attempts
    NOTHING_TO_DO = "nothing to do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time from a call to its answer."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One operation: the request and its result."""

    act: Act
    project_id: str
    span: Span
    outcome: Outcome
    # The deployment that was created, cancelled, or made live; empty if unknown.
    deployment_id: str = ""
    # For a rollback: the deployment that was live before.
    source_id: str = ""
    idempotency_key: str = ""
    # For a cancel: whether it was accepted.
    is_cancelling: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """One fault, from its start until the part worked again. `hit` is False if there was nothing to hit."""

    blow: Blow
    part: str
    span: Span
    hit: bool
    # The deployment of a killed app.
    deployment_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request through the gateway."""

    hostname: str
    span: Span
    status: int
    # The deployment that answered; empty if none did.
    deployment_id: str = ""
    # The deployment that a commit hostname names; empty for hostnames that move.
    named_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRow:
    """A project in the database."""

    live: str | None
    is_rolled_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostnameRow:
    """A domain that can move, and the gateway config of its hostname."""

    project_id: str
    sticky: str
    is_production: bool
    deployment_id: str
    config_deployment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one read transaction saw. Equal consecutive reads become one snapshot, from the first to the last."""

    first: Span
    last: Span
    revision: int
    # The revision that every gateway has acknowledged.
    acknowledged: int
    projects: Mapping[str, ProjectRow]
    hostnames: Mapping[str, HostnameRow]
    # Statuses that differ from those in the previous snapshot.
    statuses: Mapping[str, DeploymentStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRow:
    """A deployment in the database."""

    id: str
    project_id: str
    is_production: bool
    generation: int
    status: DeploymentStatus
    replicas: int
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One hostname that a routing operation moved."""

    hostname: str
    sticky: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One routing operation in the database's ledger."""

    project_id: str
    kind: str
    live_before: str | None
    live_after: str | None
    was_rolled_back: bool
    revision: int
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The state after everything has come to rest."""

    # Seconds from the end of the last operation and fault until everything was at rest; None: never.
    settled_after: float | None
    deployments: tuple[DeploymentRow, ...]
    ledger: tuple[Ledger, ...]
    # krane's view: status by deployment.
    krane: Mapping[str, str]
    # App processes on the machine by deployment.
    processes: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class History:
    """All records of a run."""

    seed: int
    seconds: float
    operations: list[Done] = field(default_factory=list)
    faults: list[Struck] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    rest: Rest | None = None

    def write(self, file: Path) -> None:
        """Write JSON lines: one record per line, under the name of its class."""
        records = [*self.operations, *self.faults, *self.probes, *self.snapshots, *([self.rest] if self.rest else [])]
        with file.open("w") as lines:
            lines.write(json.dumps({"record": "Run", "seed": self.seed, "seconds": self.seconds}) + "\n")
            for record in records:
                lines.write(json.dumps({"record": type(record).__name__, **asdict(record)}, sort_keys=True) + "\n")

    def count_operations(self) -> Counter[tuple[Act, Outcome]]:
        """Count operations by kind and outcome."""
        return Counter((done.act, done.outcome) for done in self.operations)

    def count_faults(self) -> Counter[tuple[Blow, str]]:
        """Count faults that hit something, by kind and part."""
        return Counter((struck.blow, struck.part) for struck in self.faults if struck.hit)


class Clock:
    """Measures seconds since the start of a run."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    def since(self, begin: float) -> Span:
        """Return the span from `begin` until now."""
        return Span(begin=begin, end=self.now())
