"""The attention list: problems that need a person, each with the command to run next.

Operations retry and undo themselves, and the reconciler repairs differences. This list has what is beyond that, or has
taken too long. Wall-clock times only decide what is shown here.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from services.config import DeploySettings, Settings
from services.ctrl import defaults
from services.ctrl.checks import check_workspace
from services.ctrl.dispatcher import DEPLOYMENT_SERVICE
from services.ctrl.troubles import LiveTroubles
from services.db.attention import FailedUndo, Unfinished, list_failed_undos, list_unfinished
from services.db.deployment_settings import read_effective
from services.db.engine import Database
from services.db.gateways import list_gateways
from services.db.projects import list_projects
from services.db.routes import read_revision
from services.db.tables import Deployment, Gateway, Project
from services.domain.errors import Unavailable
from services.durable.client import Invocation, RestateClient
from services.gen.ctrl.v1 import control_pb2 as pb
from services.gen.hydra.v1.routing_pb2 import DESCRIPTOR as ROUTING
from services.krane.client import KraneClient

ROUTING_SERVICE: Final = ROUTING.services_by_name["RoutingService"].full_name
# Retries, or a missing hand-over, are not shown before this time.
PATIENCE: Final = timedelta(minutes=1)
# Time that a gateway gets to apply a change before it is shown.
GATEWAY_PATIENCE: Final = timedelta(seconds=3)
LOOK_AGAIN: Final = timedelta(milliseconds=250)
LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A workspace, and the commands that a person can run for it."""

    workspace: str
    # Slugs by project id.
    projects: Mapping[str, str]
    # URL of Restate's admin API, and the folder of the parts' logs.
    admin_url: str
    logs: Path

    def interlock(self, *arguments: str) -> str:
        """Return an `interlock` command for this workspace."""
        workspace = () if self.workspace == defaults.WORKSPACE else ("-w", self.workspace)
        return " ".join(("interlock", *arguments, *workspace))

    def resume(self, invocation_id: str) -> str:
        """Return the command that resumes a paused invocation."""
        return f"curl -X PATCH {self.admin_url}/invocations/{invocation_id}/resume"

    def cancel(self, invocation_id: str) -> str:
        """Return the command that cancels an invocation that belongs to no deployment."""
        return f"curl -X PATCH {self.admin_url}/invocations/{invocation_id}/cancel"

    def log(self, part: str) -> str:
        """Return the command that shows the log of a part."""
        return f"tail -n 50 {self.logs}/{part}.log"


class AttentionApi:
    """The method of ctrl.v1.ControlService that lists problems."""

    def __init__(self, database: Database, restate: RestateClient, krane: KraneClient, settings: Settings) -> None:
        self._database = database
        self._restate = restate
        self._krane = krane
        self._settings = settings
        self._troubles = LiveTroubles(krane)

    async def ListAttention(self, request: pb.ListAttentionRequest) -> pb.ListAttentionResponse:
        """List the problems of a workspace, oldest first."""
        workspace = check_workspace(request.workspace)
        now = datetime.now(UTC)
        async with self._database.read() as session:
            projects = await list_projects(session, workspace)
            scope = Scope(
                workspace=workspace,
                projects={project.id: project.slug for project in projects},
                admin_url=self._settings.restate.admin_url,
                logs=self._settings.data_dir.resolve() / "logs",
            )
            unfinished = await list_unfinished(session, workspace)
            failed_undos = await list_failed_undos(session, workspace)
        found = await self._restate.unfinished_invocations(DEPLOYMENT_SERVICE, ROUTING_SERVICE)
        invocations = [invocation for invocation in found if invocation.key in scope.projects]
        items = [
            *stuck_invocations(invocations, unfinished, now, scope),
            *overdue(unfinished, now, self._settings.deploy, scope),
            *left_behind(failed_undos, await self._known_to_krane(failed_undos), scope),
            *await self._troubled(projects, scope),
            *await self._gateways_behind(scope),
        ]
        return pb.ListAttentionResponse(items=sorted(items, key=lambda item: (item.since_ms, item.what)))

    async def _troubled(self, projects: Iterable[Project], scope: Scope) -> list[pb.Attention]:
        """List the live deployments whose instances do not serve as they should."""
        items = await self._troubles.find(projects)
        for item in items:
            item.next = scope.interlock("logs", item.deployment_id)
        return items

    async def _known_to_krane(self, failed_undos: Sequence[FailedUndo]) -> set[str]:
        """Return the ids that krane still has; empty if krane does not answer."""
        namespaces = {failed.deployment.workspace_id for failed in failed_undos}
        known: set[str] = set()
        with suppress(Unavailable):
            for namespace in namespaces:
                known |= {state.deployment_id for state in await self._krane.list(namespace)}
        return known

    async def _gateways_behind(self, scope: Scope) -> list[pb.Attention]:
        """List the gateways that do not apply the current routing revision within GATEWAY_PATIENCE."""
        until = time.monotonic() + GATEWAY_PATIENCE.total_seconds()
        revision, behind = await self._read_gateways(None)
        while behind and time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN.total_seconds())
            revision, behind = await self._read_gateways(revision)
        return [
            pb.Attention(
                what=f"gateway {gateway.id} lags behind",
                why=f"it has acknowledged routing revision {gateway.acknowledged_revision} of {revision}",
                since_ms=gateway.updated_at_ms,
                next=scope.log("gateway"),
            )
            for gateway in behind
        ]

    async def _read_gateways(self, wanted: int | None) -> tuple[int, list[Gateway]]:
        """Return the revision to reach (`wanted`, else the current one) and the gateways that have not reached it."""
        async with self._database.read() as session:
            revision = await read_revision(session) if wanted is None else wanted
            gateways = await list_gateways(session)
        return revision, [gateway for gateway in gateways if gateway.acknowledged_revision < revision]


def deadline(row: Deployment, settings: DeploySettings) -> timedelta:
    """Return how long a deployment may take from its first step on; one minute covers all the short steps."""
    waits = settings.build_timeout_seconds + settings.gateway_timeout_seconds
    run = read_effective(row)
    waits += run.ready_seconds or settings.ready_timeout_seconds
    waits += settings.release_timeout_seconds if run.release_command else 0
    return timedelta(seconds=waits + 60)


def stuck_invocations(
    invocations: Iterable[Invocation], unfinished: Iterable[Unfinished], now: datetime, scope: Scope
) -> list[pb.Attention]:
    """List invocations that are paused, and those that have only retried for longer than PATIENCE."""
    deployment_of = {one.deployment.invocation_id: one.deployment.id for one in unfinished}
    items: list[pb.Attention] = []
    for invocation in invocations:
        deployment_id = deployment_of.get(invocation.id, "")
        item = pb.Attention(
            why=_first_line(invocation.last_failure) or "somebody paused it",
            since_ms=_milliseconds(invocation.progressed_at),
            project=scope.projects[invocation.key],
            deployment_id=deployment_id,
            invocation_id=invocation.id,
        )
        if invocation.status == "paused":
            item.what = f"{invocation.handler} is paused and holds up its project"
            item.next = scope.resume(invocation.id)
            items.append(item)
        elif invocation.last_failure and now - invocation.progressed_at > PATIENCE:
            item.what = f"{invocation.handler} fails again and again"
            item.next = scope.interlock("cancel", deployment_id) if deployment_id else scope.cancel(invocation.id)
            items.append(item)
    return items


def overdue(
    unfinished: Iterable[Unfinished], now: datetime, settings: DeploySettings, scope: Scope
) -> list[pb.Attention]:
    """List deployments that exceed their deadline, and those that were not handed over to Restate."""
    items: list[pb.Attention] = []
    for one in unfinished:
        row, longest = one.deployment, deadline(one.deployment, settings)
        if one.began_at_ms is not None and _age(one.began_at_ms, now) > longest:
            items.append(
                pb.Attention(
                    what=f"deployment {row.id} has not ended",
                    why=f"it is {row.status}, but should have ended {longest.total_seconds():g} s after its start",
                    since_ms=one.began_at_ms,
                    next=scope.interlock("cancel", row.id),
                    project=scope.projects[row.project_id],
                    deployment_id=row.id,
                    invocation_id=row.invocation_id or "",
                )
            )
        elif row.invocation_id is None and _age(row.created_at_ms, now) > PATIENCE:
            items.append(
                pb.Attention(
                    what=f"deployment {row.id} has not been handed over to Restate",
                    why="Restate does not accept it; the log has the reason",
                    since_ms=row.created_at_ms,
                    next=scope.log("ctrl"),
                    project=scope.projects[row.project_id],
                    deployment_id=row.id,
                )
            )
    return items


def left_behind(failed_undos: Iterable[FailedUndo], known_to_krane: set[str], scope: Scope) -> list[pb.Attention]:
    """List deployments with a failed undo, if anything of them is left."""
    return [
        pb.Attention(
            what=f"deployment {failed.deployment.id} has left something behind",
            why=_first_line(failed.deployment.failure or ""),
            since_ms=failed.deployment.ended_at_ms or failed.deployment.created_at_ms,
            next=scope.interlock("show", failed.deployment.id),
            project=scope.projects[failed.deployment.project_id],
            deployment_id=failed.deployment.id,
            invocation_id=failed.deployment.invocation_id or "",
        )
        for failed in failed_undos
        if failed.has_traces or failed.deployment.id in known_to_krane
    ]


def _first_line(text: str) -> str:
    """Cut off the stack trace, which follows the first line of a failure."""
    return text.partition("\n")[0][:LONGEST_REASON]


def _age(milliseconds: int, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
