"""Rules of rollback and promote: which deployment may become live, how it would start, and which was live before."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.domain.errors import PreconditionFailed
from services.domain.readiness import Failed, InstanceState, Ready, Waiting, assess
from services.domain.status import DeploymentStatus

# A stopped deployment is started again first.
_CAN_SERVE = frozenset({DeploymentStatus.READY, DeploymentStatus.STOPPED})


class Start(StrEnum):
    """How a deployment gets ready before live moves to it."""

    WARM = "warm"  # it already runs and is healthy
    COLD = "cold"  # it is stopped or gone, and must be started from its image


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment that may become live."""

    id: str
    environment_id: str
    is_production: bool
    generation: int
    status: DeploymentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMove:
    """One move of the live pointer, as in the ledger. `before` is None for the first."""

    before: str | None
    after: str
    is_rollback: bool


def check_has_live(live_id: str | None) -> str:
    """Return the id of a project's live deployment; raise PreconditionFailed when it has none."""
    if live_id is None:
        raise PreconditionFailed("the project has no live deployment; deploy to production first")
    return live_id


def check_rollback(live_id: str | None, source: Candidate, target: Candidate) -> None:
    """Raise PreconditionFailed unless live may move back from `source` to `target`, both of one project.

    Does not check the target's instances; krane knows them (see `check_start`).
    """
    if source.id == target.id:
        raise PreconditionFailed(f"{target.id} is both source and target; name an earlier deployment as the target")
    if source.environment_id != target.environment_id:
        raise PreconditionFailed(
            f"{target.id} runs in another environment than {source.id}; choose a deployment of the same environment"
        )
    if live_id != source.id:
        now = f"{live_id} is" if live_id else "nothing is"
        raise PreconditionFailed(f"{source.id} is not live, {now}; roll back from the live deployment instead")
    _check_can_serve(target)


def check_promote(live_id: str | None, target: Candidate, *, is_rolled_back: bool) -> str:
    """Return the id of the live deployment; raise PreconditionFailed unless `target` may be promoted.

    Both belong to one project. Promoting the live deployment of a rolled-back project is allowed: live stays, and the
    project is no longer rolled back.
    """
    if not target.is_production:
        raise PreconditionFailed(f"{target.id} is not in production; deploy it to production to make it live")
    _check_can_serve(target)
    source_id = check_has_live(live_id)
    if source_id == target.id and not is_rolled_back:
        raise PreconditionFailed(f"{target.id} is already live; there is nothing to promote")
    return source_id


def check_start(deployment_id: str, replicas: int, instances: Sequence[InstanceState] | None) -> Start:
    """Return how a deployment would start. `instances` are krane's current ones; None: it is stopped or gone.

    Raises PreconditionFailed if it runs but is not healthy.
    """
    if instances is None:
        return Start.COLD
    match assess(instances, replicas):
        case Ready():
            return Start.WARM
        case Failed(reason) | Waiting(reason):
            raise PreconditionFailed(f"{deployment_id} cannot take traffic: {reason}; choose another deployment")


def way_back(moves: Sequence[LiveMove]) -> list[str]:
    """Return the ids of the deployments that rollbacks go through, the next one last. `moves` are oldest first.

    A deploy or promote adds the deployment that it left. A rollback goes along the way, and never adds what it left: a
    second one goes further back, and not to the deployment that the first one was to get rid of.
    """
    way: list[str] = []
    for move in moves:
        if not move.is_rollback:
            way += [move.before] if move.before else []
        elif move.after in way:
            del way[_last_index(way, move.after) :]
    return way


def previous_live(current: Candidate | None, way: Sequence[str], known: Sequence[Candidate]) -> Candidate | None:
    """Return the deployment that was live before `current`; passes over those that can no longer serve.

    `way` comes from `way_back`, `known` has the deployments on it.
    """
    if current is None:
        return None
    able = {c.id: c for c in known if c.environment_id == current.environment_id and c.status in _CAN_SERVE}
    return next((able[step] for step in reversed(way) if step in able and step != current.id), None)


def _last_index(way: Sequence[str], deployment_id: str) -> int:
    return max(index for index, step in enumerate(way) if step == deployment_id)


def _check_can_serve(target: Candidate) -> None:
    if target.status not in _CAN_SERVE:
        raise PreconditionFailed(
            f"{target.id} is {target.status}, not ready or stopped; choose another deployment, or deploy again"
        )
