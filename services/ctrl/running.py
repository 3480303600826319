"""The API method that runs a one-off command in the image of a deployment, with its environment.

The command belongs to the call: it ends when the caller disconnects, and is removed afterwards. If ctrl is killed
meanwhile, krane ends the command at its deadline, and the reconciler removes it.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

from services.ctrl.checks import check_actor, check_limit, check_workspace
from services.db.clock import now_ms
from services.db.deployments import fetch_metadata
from services.db.engine import Database
from services.db.views import find_deployment
from services.deployment.secrets import Secrets
from services.domain.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from services.domain.ids import check_id
from services.domain.runs import make_run_id
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from services.krane.types import LogQuery, TaskSpec, TaskStatus
from services.telemetry import get_logger

# Name of the task in krane.
NAME = "run"
DEFAULT_SECONDS = 600
MAX_SECONDS = 24 * 3600
POLL_SECONDS = 0.1
# How long krane may be away.
PATIENCE_SECONDS = 30.0

_log = get_logger(__name__)


class RunApi:
    """The streaming method of ctrl.v1.ControlService for one-off commands. Closing `following` ends all streams."""

    def __init__(self, database: Database, secrets: Secrets, krane: KraneClient, following: KraneClient) -> None:
        self._database = database
        self._secrets = secrets
        self._krane = krane
        self._following = following
        self._removals: set[asyncio.Task[None]] = set()

    async def RunCommand(self, request: pb.RunCommandRequest) -> AsyncGenerator[pb.RunCommandResponse]:
        """Run a command in the image of a ready deployment; stream its output, and then how it ended."""
        if not request.command:
            raise Invalid("command is missing: send it as arguments")
        seconds = check_limit("timeout_seconds", request.timeout_seconds, default=DEFAULT_SECONDS, highest=MAX_SECONDS)
        workspace, deployment_id = check_workspace(request.workspace), check_id("deployment_id", request.deployment_id)
        async with self._database.read() as session:
            view = await find_deployment(session, workspace, deployment_id)
            metadata = await fetch_metadata(session, view.project.id, deployment_id)
        if metadata.status is not DeploymentStatus.READY or metadata.image is None:
            raise PreconditionFailed(f"{deployment_id} is {metadata.status}, not ready; name a deployment that runs")
        spec = TaskSpec(
            namespace=metadata.workspace_id,
            task_id=make_run_id(now_ms(), timedelta(seconds=seconds), secrets.token_hex(8)),
            image=metadata.image,
            run=replace(metadata.run, release_command=tuple(request.command)),
            timeout_seconds=seconds,
            name=NAME,
            volume_scope=metadata.volume_scope,
        )
        _log.info("command runs", deployment_id=deployment_id, task_id=spec.task_id, actor=check_actor(request.actor))
        return self._run(spec, await self._secrets.environment(deployment_id))

    async def _run(self, spec: TaskSpec, environment: Mapping[str, str]) -> AsyncGenerator[pb.RunCommandResponse]:
        try:
            await self._krane.start_task(spec, environment)
            async with aclosing(self._follow(spec)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            # A task of its own: a caller that disconnects cancels this one.
            removal = asyncio.create_task(self._remove(spec))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)
            await asyncio.shield(removal)

    async def _follow(self, spec: TaskSpec) -> AsyncGenerator[pb.RunCommandResponse]:
        loop, after = asyncio.get_running_loop(), dict[str, str]()
        seen = loop.time()
        while True:
            try:
                state = await self._krane.get_task(spec.namespace, spec.task_id, tail_lines=1)
                if state is None:
                    raise NotFound("krane lost the command; look at what it did, then run it again")
                query = LogQuery(
                    namespace=spec.namespace,
                    deployment_id=spec.task_id,
                    follow=state.status is TaskStatus.RUNNING,
                    after=after,
                )
                async with aclosing(self._following.follow_logs(query)) as lines:
                    async for line in lines:
                        after[line.instance_id] = line.cursor
                        yield pb.RunCommandResponse(text=line.text)
            except Unavailable:
                if loop.time() - seen > PATIENCE_SECONDS:
                    raise
            else:
                seen = loop.time()
                if state.status is not TaskStatus.RUNNING:
                    yield pb.RunCommandResponse(end=pb.RunEnd(exit_code=state.exit_code, reason=state.reason))
                    return
            await asyncio.sleep(POLL_SECONDS)

    async def _remove(self, spec: TaskSpec) -> None:
        try:
            await self._krane.delete_task(spec.namespace, spec.task_id)
        except Unavailable as error:
            _log.warning("command not removed yet, the reconciler will", task_id=spec.task_id, error=error.message)
