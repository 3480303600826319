"""Plan routing changes. Pure: a plan is computed from the rows a transaction has read; the database layer applies it.

Rules for every plan:
- a hostname that another workspace or project owns is refused, without naming the owner;
- a commit domain never moves;
- domains that follow the same thing move together: when a deployment becomes live, all live domains of the project
  move to it, also those that the request does not name;
- only production deployments can be live;
- in `plan_assign`, a newer deployment wins: domains of a deployment with a higher generation do not move;
- while the project is rolled back, `plan_assign` does not move live and the domains of the production environment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.domain.errors import Conflict, NotFound, PreconditionFailed
from services.domain.stickiness import Sticky, WantedDomain


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRouting:
    """The routing state of a project."""

    id: str
    workspace_id: str
    live_deployment_id: str | None
    # Generation of the live deployment; 0 without one.
    live_generation: int
    is_rolled_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The deployment that domains should point at."""

    deployment_id: str
    generation: int
    environment_id: str
    is_production: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecord:
    """A stored domain; `generation` is that of the deployment it points at."""

    id: str
    hostname: str
    workspace_id: str
    project_id: str
    environment_id: str
    deployment_id: str
    generation: int
    sticky: Sticky


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One domain to move. `before` None: it is created; `after` None: it is deleted."""

    hostname: str
    sticky: Sticky
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDomain:
    """A requested domain that does not move, and why."""

    hostname: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingPlan:
    """All changes of one transaction."""

    changes: tuple[Change, ...]
    held: tuple[HeldDomain, ...]
    live_before: str | None
    live_after: str | None
    rolled_back_before: bool
    rolled_back_after: bool


def plan_assign(
    project: ProjectRouting, target: Target, wanted: Sequence[WantedDomain], existing: Iterable[DomainRecord]
) -> RoutingPlan:
    """Point domains at a new deployment.

    `existing` has the records of the wanted hostnames, of any owner, and all domains of the project that follow live or
    an environment. Raises Conflict for a name that is not available, PreconditionFailed for live outside production.
    """
    records = {record.hostname: record for record in existing}
    names = {domain.hostname: domain.sticky for domain in wanted}
    for domain in wanted:
        _check_ownership(project, target, domain, records.get(domain.hostname))
    if Sticky.LIVE in names.values() and not target.is_production:
        raise PreconditionFailed(
            f"deployment {target.deployment_id} is not in production: live domains follow production only; "
            "deploy it to production first"
        )
    following = {
        record.hostname: record.sticky
        for record in records.values()
        if record.project_id == project.id and _follows(record, target, set(names.values()))
    }
    changes: list[Change] = []
    held: list[HeldDomain] = []
    for hostname, sticky in sorted((following | names).items()):
        record = records.get(hostname)
        reason = _hold_reason(project, target, sticky, _newest(record, sticky, following, records))
        if reason is not None:
            held.append(HeldDomain(hostname=hostname, reason=reason))
        elif record is None or record.deployment_id != target.deployment_id:
            before = record.deployment_id if record else None
            changes.append(Change(hostname=hostname, sticky=sticky, before=before, after=target.deployment_id))
    takes_live = Sticky.LIVE in names.values() and _hold_reason(project, target, Sticky.LIVE, None) is None
    return RoutingPlan(
        changes=tuple(changes),
        held=tuple(held),
        live_before=project.live_deployment_id,
        live_after=target.deployment_id if takes_live else project.live_deployment_id,
        rolled_back_before=project.is_rolled_back,
        rolled_back_after=project.is_rolled_back,
    )


def plan_switch(
    project: ProjectRouting,
    target: Target,
    domain_ids: Sequence[str],
    existing: Iterable[DomainRecord],
    *,
    is_rolled_back: bool | None,
) -> RoutingPlan:
    """Point existing domains at a chosen deployment, newer or older; `existing` has all domains of the project.

    `is_rolled_back` is the new value of the flag; None keeps it. Raises NotFound for an unknown domain,
    PreconditionFailed for one that cannot point at the target.
    """
    records = {record.id: record for record in existing if record.project_id == project.id}
    unknown = [domain_id for domain_id in domain_ids if domain_id not in records]
    if unknown:
        raise NotFound(f"project {project.id} has no domain {unknown[0]}; list them with `interlock domains ls`")
    chosen = {domain_id: records[domain_id] for domain_id in domain_ids}
    for record in chosen.values():
        _check_switch(target, record)
    kinds = {record.sticky for record in chosen.values()}
    takes_live = Sticky.LIVE in kinds
    chosen |= {record.id: record for record in records.values() if _follows(record, target, kinds)}
    moved = sorted(chosen.values(), key=lambda record: record.hostname)
    return RoutingPlan(
        changes=tuple(
            Change(
                hostname=record.hostname,
                sticky=record.sticky,
                before=record.deployment_id,
                after=target.deployment_id,
            )
            for record in moved
            if record.deployment_id != target.deployment_id
        ),
        held=(),
        live_before=project.live_deployment_id,
        live_after=target.deployment_id if takes_live else project.live_deployment_id,
        rolled_back_before=project.is_rolled_back,
        rolled_back_after=project.is_rolled_back if is_rolled_back is None else is_rolled_back,
    )


def plan_restore(project: ProjectRouting, done: RoutingPlan, current: dict[str, str]) -> RoutingPlan:
    """Undo the changes of `done` that are still in place; `current` maps hostnames to their deployments."""
    undone = tuple(
        Change(hostname=change.hostname, sticky=change.sticky, before=change.after, after=change.before)
        for change in done.changes
        if current.get(change.hostname) == change.after
    )
    stands = done.live_after != done.live_before and project.live_deployment_id == done.live_after
    flag_stands = done.rolled_back_after != done.rolled_back_before and (
        project.is_rolled_back == done.rolled_back_after and project.live_deployment_id == done.live_after
    )
    return RoutingPlan(
        changes=undone,
        held=(),
        live_before=project.live_deployment_id,
        live_after=done.live_before if stands else project.live_deployment_id,
        rolled_back_before=project.is_rolled_back,
        rolled_back_after=done.rolled_back_before if flag_stands else project.is_rolled_back,
    )


def plan_withdraw(project: ProjectRouting, deployment_id: str, existing: Sequence[DomainRecord]) -> RoutingPlan:
    """Delete the commit domains of a deployment.

    Raises PreconditionFailed if it is live, or another kind of domain points at it.
    """
    own = [record for record in existing if record.deployment_id == deployment_id]
    followed = next((record.hostname for record in own if record.sticky is not Sticky.COMMIT), None)
    if followed is not None or project.live_deployment_id == deployment_id:
        raise PreconditionFailed(f"deployment {deployment_id} is in use: {followed or 'live'} points at it")
    return plan_beside_live(
        project,
        tuple(
            Change(hostname=record.hostname, sticky=record.sticky, before=deployment_id, after=None) for record in own
        ),
    )


def plan_beside_live(project: ProjectRouting, changes: tuple[Change, ...] = ()) -> RoutingPlan:
    """Return a plan with these changes that keeps the live pointer and the rolled-back flag."""
    return RoutingPlan(
        changes=changes,
        held=(),
        live_before=project.live_deployment_id,
        live_after=project.live_deployment_id,
        rolled_back_before=project.is_rolled_back,
        rolled_back_after=project.is_rolled_back,
    )


def _check_ownership(
    project: ProjectRouting, target: Target, domain: WantedDomain, record: DomainRecord | None
) -> None:
    if record is None:
        return
    if (record.workspace_id, record.project_id) != (project.workspace_id, project.id):
        raise Conflict(f"hostname {domain.hostname} is taken; choose another name")
    if record.sticky is Sticky.COMMIT and record.deployment_id != target.deployment_id:
        raise Conflict(f"hostname {domain.hostname} belongs to deployment {record.deployment_id} and never moves")
    if record.sticky is not domain.sticky:
        raise Conflict(f"hostname {domain.hostname} follows {record.sticky}, not {domain.sticky}; choose another name")
    if record.sticky is Sticky.ENVIRONMENT and record.environment_id != target.environment_id:
        raise Conflict(f"hostname {domain.hostname} follows another environment; choose another name")


def _follows(record: DomainRecord, target: Target, kinds: set[Sticky]) -> bool:
    """Return whether the record follows the same live pointer or environment as a requested domain."""
    if record.sticky not in kinds:
        return False
    same_environment = record.environment_id == target.environment_id
    return record.sticky is Sticky.LIVE or (record.sticky is Sticky.ENVIRONMENT and same_environment)


def _newest(
    record: DomainRecord | None, sticky: Sticky, following: Mapping[str, Sticky], records: Mapping[str, DomainRecord]
) -> DomainRecord | None:
    """Return the record with the newest deployment among the domains that move together with a wanted one."""
    together = [records[hostname] for hostname, other in following.items() if other is sticky]
    together += [record] if record is not None else []
    return max(together, key=lambda r: r.generation, default=None)


def _hold_reason(project: ProjectRouting, target: Target, sticky: Sticky, record: DomainRecord | None) -> str | None:
    if sticky in (Sticky.LIVE, Sticky.ENVIRONMENT) and target.is_production and project.is_rolled_back:
        return "the project is rolled back; promote a deployment to end this state"
    if sticky is Sticky.LIVE and project.live_generation > target.generation:
        return f"newer deployment {project.live_deployment_id} is live"
    if sticky is not Sticky.COMMIT and record is not None and record.generation > target.generation:
        return f"newer deployment {record.deployment_id} holds it"
    return None


def _check_switch(target: Target, record: DomainRecord) -> None:
    if record.sticky is Sticky.COMMIT:
        raise PreconditionFailed(f"{record.hostname} belongs to one deployment and never moves; choose other domains")
    if record.sticky is Sticky.LIVE and not target.is_production:
        raise PreconditionFailed(
            f"deployment {target.deployment_id} is not in production: live domains follow production only"
        )
    if record.sticky is Sticky.ENVIRONMENT and record.environment_id != target.environment_id:
        raise PreconditionFailed(
            f"{record.hostname} follows another environment than that of deployment {target.deployment_id}"
        )
