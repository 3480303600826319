"""The API method that follows logs: streams krane's lines until the deployment cannot write any more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from services.ctrl.checks import check_workspace
from services.db.engine import Database
from services.db.views import find_deployment
from services.domain.errors import Invalid
from services.domain.ids import check_id
from services.domain.status import GONE, DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from services.krane.types import FollowedLine, LogQuery

# Time between queries while krane runs nothing of the deployment.
POLL_SECONDS = 0.3
# Per log; no log keeps that many lines.
MAX_TAIL_LINES = 1_000_000
# In these states krane runs nothing of the deployment.
SILENT = GONE | {DeploymentStatus.STOPPED}


class LogApi:
    """The streaming method of ctrl.v1.ControlService. Closing `krane`, a separate connection, ends all streams."""

    def __init__(self, database: Database, krane: KraneClient) -> None:
        self._database = database
        self._krane = krane

    async def FollowLogs(self, request: pb.FollowLogsRequest) -> AsyncGenerator[pb.FollowLogsResponse]:
        """Stream the log lines of a deployment's instances, and of its build if requested."""
        workspace = check_workspace(request.workspace)
        deployment_id = check_id("deployment_id", request.deployment_id)
        if request.tail_lines > MAX_TAIL_LINES or request.since_ms < 0:
            raise Invalid(f"send tail_lines of at most {MAX_TAIL_LINES}, and since_ms of at least 0")
        async with self._database.read() as session:
            view = await find_deployment(session, workspace, deployment_id)
        query = LogQuery(
            namespace=view.deployment.workspace_id,
            deployment_id=deployment_id,
            build=request.build,
            follow=request.follow,
            tail_lines=request.tail_lines,
            since_ms=request.since_ms,
            after=dict(request.after),
        )
        return self._follow(workspace, query)

    async def _follow(self, workspace: str, query: LogQuery) -> AsyncGenerator[pb.FollowLogsResponse]:
        """Query krane until the deployment has ended: krane's stream ends if it runs nothing of it, also before."""
        after = dict(query.after)
        is_over = False
        while not is_over:
            # Check before reading, so that the last read includes all lines written until then.
            is_over = not query.follow or await self._is_silent(workspace, query.deployment_id)
            async with aclosing(self._krane.follow_logs(replace(query, after=after))) as lines:
                async for line in lines:
                    after[line.instance_id] = line.cursor
                    yield _message(line)
            if not is_over:
                await asyncio.sleep(POLL_SECONDS)

    async def _is_silent(self, workspace: str, deployment_id: str) -> bool:
        async with self._database.read() as session:
            view = await find_deployment(session, workspace, deployment_id)
        return DeploymentStatus(view.deployment.status) in SILENT


def _message(line: FollowedLine) -> pb.FollowLogsResponse:
    return pb.FollowLogsResponse(
        instance_id=line.instance_id,
        text=line.text,
        at_ms=line.at_ms,
        cursor=line.cursor,
        is_after_gap=line.is_after_gap,
    )
