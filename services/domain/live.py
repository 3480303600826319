"""Rules of rollback and promote: who may become live and how it would start, and who was live before."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.domain.errors import PreconditionFailed
from services.domain.readiness import Failed, InstanceState, Ready, Waiting, assess
from services.domain.status import DeploymentStatus


class Start(StrEnum):
    """What a deployment needs before live can move to it."""

    WARM = "warm"  # nothing: it runs and is healthy
    COLD = "cold"  # it is stopped or gone, and has to be started again from its image


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment as the rules of live see it."""

    id: str
    environment_id: str
    is_production: bool
    generation: int
    status: DeploymentStatus


def check_has_live(live_id: str | None) -> str:
    """Return the id of a project's live deployment; raise PreconditionFailed when it has none."""
    if live_id is None:
        raise PreconditionFailed("the project has no live deployment; deploy to production first")
    return live_id


def check_rollback(live_id: str | None, source: Candidate, target: Candidate) -> None:
    """Raise PreconditionFailed unless live may go back from `source` to `target`, both of one project.

    Whether the target's instances can serve is checked apart, in krane, at that moment.
    """
    if source.id == target.id:
        raise PreconditionFailed(f"{target.id} is both source and target; name an earlier deployment as the target")
    if source.environment_id != target.environment_id:
        raise PreconditionFailed(
            f"{target.id} runs in another environment than {source.id}; choose a deployment of the same environment"
        )
    if live_id != source.id:
        now = f"{live_id} is" if live_id else "nothing is"
        raise PreconditionFailed(f"{source.id} is not live, {now}; roll back from the live deployment")
    _check_can_serve(target)


def check_promote(live_id: str | None, target: Candidate, *, is_rolled_back: bool) -> str:
    """Return the id of the live deployment; raise PreconditionFailed unless `target`, of its project, may be promoted.

    Promoting the live deployment of a rolled-back project is allowed: it keeps live where it is and ends that state.
    """
    if not target.is_production:
        raise PreconditionFailed(f"{target.id} is not in production; deploy it to production to make it live")
    _check_can_serve(target)
    source_id = check_has_live(live_id)
    if source_id == target.id and not is_rolled_back:
        raise PreconditionFailed(f"{target.id} is live already; there is nothing to promote")
    return source_id


def check_start(deployment_id: str, replicas: int, instances: Sequence[InstanceState] | None) -> Start:
    """How a deployment would start. `instances` are those that krane has now; None when it is stopped or gone.

    Raises PreconditionFailed when it runs and is not healthy.
    """
    if instances is None:
        return Start.COLD
    match assess(instances, replicas):
        case Ready():
            return Start.WARM
        case Failed(reason) | Waiting(reason):
            raise PreconditionFailed(f"{deployment_id} cannot take traffic: {reason}; choose another deployment")


def previous_live(current: Candidate | None, once_live: Sequence[Candidate]) -> Candidate | None:
    """The newest deployment older than the current live one that was live once and can still serve."""
    if current is None:
        return None
    earlier = [c for c in once_live if c.generation < current.generation and c.status is DeploymentStatus.READY]
    return max(earlier, key=lambda c: c.generation, default=None)


def _check_can_serve(target: Candidate) -> None:
    if target.status not in (DeploymentStatus.READY, DeploymentStatus.STOPPED):
        raise PreconditionFailed(
            f"{target.id} is {target.status}, not ready or stopped; choose another deployment, or deploy again"
        )
