"""The effects that the workflows name: each is idempotent, bounded, and knows nothing of Restate."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from services.config import DeploySettings
from services.db import deployments, domains, instances, operations, retention
from services.db.engine import Database
from services.db.steps import end_open_steps
from services.db.tables import Project
from services.deployment.credentials import open_credential, open_credentials
from services.deployment.environment import open_environment
from services.deployment.scrape import fetch_openapi
from services.domain.errors import Conflict, InterlockError, NotFound, PreconditionFailed, Unavailable
from services.domain.hostnames import Naming
from services.domain.live import check_has_live, check_promote, check_rollback
from services.domain.readiness import InstanceState
from services.domain.status import DeploymentStatus
from services.domain.stickiness import WantedDomain, build_domains
from services.durable.saga import Failure
from services.keyring import Keyring
from services.krane.client import KraneClient
from services.krane.types import (
    AppSettings,
    BuildPriority,
    BuildState,
    DeploymentSpec,
    DeploymentState,
    TaskSpec,
    TaskState,
    last_probe,
    task_log_name,
    without_probes,
)

# Lines of log kept with a failed deployment.
FAILURE_LOG_LINES = 50
# For a look at what is about to be removed.
LAST_LOOK_SECONDS = 2.0
# The steps whose failure the log of the release command explains.
RELEASE_STEPS = ("start release command", "release command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a deployment stands once its hostnames are assigned."""

    is_live: bool
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What live moves from, and the deployment it moves to."""

    source_id: str
    target: deployments.Metadata
    # What moved the project's hostnames last, when this was decided.
    newest_operation_id: str = ""


class DeploymentSteps:
    """The effects, and what they need."""

    def __init__(
        self, database: Database, krane: KraneClient, keyring: Keyring, apex: str, settings: DeploySettings
    ) -> None:
        self._database = database
        self.krane = krane
        self._keyring = keyring
        self._apex = apex
        self._settings = settings

    # -- the row ----------------------------------------------------------------------------------------------------

    async def fetch_metadata(self, project_id: str, deployment_id: str, image: str) -> deployments.Metadata:
        """Everything about a pending deployment, to which a given image is added, or about a ready one.

        Raises NotFound, Conflict when it ended otherwise or has another image, PreconditionFailed without anything to
        run.
        """
        async with self._database.write() as session:
            await deployments.fill_in(session, project_id, deployment_id, image)
            metadata = await deployments.fetch_metadata(session, project_id, deployment_id)
        if metadata.status not in (DeploymentStatus.PENDING, DeploymentStatus.READY):
            raise Conflict(f"deployment {deployment_id} is {metadata.status} already; create a new deployment")
        if not (metadata.image or metadata.source or metadata.git):
            raise PreconditionFailed(f"deployment {deployment_id} has neither an image nor a source; name one")
        return metadata

    async def claim(self, deployment_id: str, invocation_id: str) -> None:
        """Status: building, and whose it is."""
        async with self._database.write() as session:
            await deployments.claim(session, deployment_id, invocation_id)

    async def set_status(self, deployment_id: str, status: DeploymentStatus) -> None:
        """Advance the deployment."""
        async with self._database.write() as session:
            await deployments.set_status(session, deployment_id, status)

    async def set_source(self, deployment_id: str, fetched: BuildState) -> None:
        """Keep what was fetched."""
        async with self._database.write() as session:
            await deployments.set_source(
                session, deployment_id, fetched.source, fetched.commit, default_branch=fetched.branch
            )

    async def set_image(
        self, project_id: str, deployment_id: str, image: str, said: AppSettings
    ) -> deployments.Metadata:
        """Status: deploying, with the image that will run, and everything settled that its source had a say in."""
        async with self._database.write() as session:
            await deployments.set_image(session, deployment_id, image, said.run, said.environment)
            await deployments.set_status(session, deployment_id, DeploymentStatus.DEPLOYING)
            return await deployments.fetch_metadata(session, project_id, deployment_id)

    async def record_failure(self, project_id: str, deployment_id: str, operation_id: str, failure: Failure) -> None:
        """End the deployment as failed or cancelled, with the reason and its last log lines."""
        log = await self._failure_log(project_id, deployment_id, failure.step)
        async with self._database.write() as session:
            await deployments.record_failure(
                session,
                project_id,
                deployment_id,
                operation_id,
                step=failure.step,
                reason=failure.reason,
                log=log,
                is_cancelled=failure.is_cancelled,
                failed_undos=failure.failed_undos,
            )
            await end_open_steps(session, operation_id=operation_id, failed_step=failure.step, error=failure.reason)

    async def close_steps(self, operation_id: str, failure: Failure) -> None:
        """End the log of an operation that changed nothing."""
        async with self._database.write() as session:
            await end_open_steps(session, operation_id=operation_id, failed_step=failure.step, error=failure.reason)

    async def _failure_log(self, project_id: str, deployment_id: str, step: str) -> str:
        try:
            async with self._database.read() as session:
                namespace = (await deployments.fetch_metadata(session, project_id, deployment_id)).workspace_id
            if step == "build":
                build = await self.krane.get_build(namespace, deployment_id, tail_lines=FAILURE_LOG_LINES)
                return "\n".join(build.log_lines) if build else ""
            return await self._app_log(namespace, deployment_id, is_release=step in RELEASE_STEPS)
        except InterlockError:
            # The reason is worth more than the log: record it even when krane is away.
            return ""

    async def _app_log(self, namespace: str, deployment_id: str, *, is_release: bool) -> str:
        lines = await self.krane.logs(namespace, deployment_id, tail_lines=FAILURE_LOG_LINES)
        release = task_log_name(deployment_id)
        # What the release command said is no news once it has ended well.
        shown = [line.text for line in lines if (line.instance_id == release) == is_release]
        return "\n".join(shown[-FAILURE_LOG_LINES:])

    # -- krane ------------------------------------------------------------------------------------------------------

    async def start_build(self, metadata: deployments.Metadata) -> None:
        """Begin to make the image."""
        origin = metadata.git or metadata.source
        if origin is None:
            raise PreconditionFailed(f"deployment {metadata.deployment_id} has no source to build")
        priority = BuildPriority.PRODUCTION if metadata.is_production else BuildPriority.NORMAL
        credentials = await open_credentials(self._database, self._keyring, metadata.workspace_id)
        await self.krane.start_build(metadata.workspace_id, metadata.deployment_id, origin, priority, credentials)

    async def observe_build(self, namespace: str, build_id: str) -> BuildState | None:
        """How far the build is, without its log, which has no place in a journal; None when krane does not know it."""
        state = await self.krane.get_build(namespace, build_id, tail_lines=1)
        return state and replace(state, log_lines=())

    async def resolve_image(self, workspace_id: str, image: str) -> str:
        """What an image means now, as a reference that stays."""
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        return await self.krane.resolve_image(workspace_id, image, credential)

    async def pull_image(self, workspace_id: str, image: str) -> bool:
        """Whether krane has an image of a registry; it is being fetched when it does not."""
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        return await self.krane.pull_image(workspace_id, image, credential)

    async def start_release(self, metadata: deployments.Metadata, image: str) -> None:
        """Begin to run the release command, with the environment that the deployment was recorded with."""
        environment = await open_environment(self._database, self._keyring, metadata.deployment_id)
        await self.krane.start_task(
            TaskSpec(
                namespace=metadata.workspace_id,
                task_id=metadata.deployment_id,
                image=image,
                run=metadata.run,
                timeout_seconds=self._settings.release_timeout_seconds,
            ),
            environment,
        )

    async def observe_release(self, namespace: str, task_id: str) -> TaskState | None:
        """How far the release command is, without its log; None when krane does not know it."""
        state = await self.krane.get_task(namespace, task_id, tail_lines=1)
        return state and replace(state, log_lines=())

    async def create(self, metadata: deployments.Metadata, image: str) -> None:
        """Start the instances, with the environment that the deployment was recorded with."""
        environment = await open_environment(self._database, self._keyring, metadata.deployment_id)
        credential = await open_credential(self._database, self._keyring, metadata.workspace_id, image)
        await self.krane.create(
            DeploymentSpec(
                namespace=metadata.workspace_id,
                deployment_id=metadata.deployment_id,
                image=image,
                run=metadata.run,
            ),
            environment,
            credential,
        )

    async def start(self, workspace_id: str, deployment_id: str, image: str) -> None:
        """Start again the instances that are stopped or failed; the image is pulled when krane has lost it."""
        credential = await open_credential(self._database, self._keyring, workspace_id, image)
        await self.krane.start(workspace_id, deployment_id, credential)

    async def stop(self, namespace: str, deployment_id: str) -> None:
        """End the instances and keep what is needed to start them again; succeeds when krane does not know it."""
        with suppress(NotFound):
            await self.krane.stop(namespace, deployment_id)

    async def delete(self, namespace: str, deployment_id: str) -> None:
        """End the instances and forget them in krane, keeping in the row what was last found when one was asked."""
        # What was found only explains a failure: undoing does not depend on it.
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                state = await self.krane.get(namespace, deployment_id)
            found = last_probe(state.instances) if state else None
            if found is not None:
                async with self._database.write() as session:
                    await deployments.record_probe(session, deployment_id, found)
        await self.krane.delete(namespace, deployment_id)

    async def observe(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        """The deployment as krane sees it; None when krane does not know it."""
        return without_probes(await self.krane.get(namespace, deployment_id))

    async def probe(self, namespace: str, deployment_id: str) -> DeploymentState | None:
        """The deployment with its instances asked at this moment; None when krane does not know it."""
        return without_probes(await self.krane.get(namespace, deployment_id, probe_now=True))

    async def upsert_instances(self, deployment_id: str, states: Sequence[InstanceState]) -> None:
        """Copy krane's view."""
        async with self._database.write() as session:
            await instances.upsert_instances(session, deployment_id, states)

    async def delete_instances(self, deployment_id: str) -> None:
        """Forget the instances."""
        async with self._database.write() as session:
            await instances.delete_instances(session, deployment_id)

    async def scrape_openapi(self, deployment_id: str, address: str) -> None:
        """Fetch the app's OpenAPI document and store it, when it serves one worth keeping."""
        document = await fetch_openapi(
            address, timeout=self._settings.openapi_timeout_seconds, max_bytes=self._settings.openapi_max_bytes
        )
        if document is not None:
            async with self._database.write() as session:
                await deployments.store_openapi(session, deployment_id, document)

    # -- domains and live -------------------------------------------------------------------------------------------

    async def build_domains(self, metadata: deployments.Metadata) -> list[WantedDomain]:
        """The domain list. A step, since the apex is configuration."""
        naming = Naming(
            workspace=metadata.workspace_slug,
            project=metadata.project_slug,
            environment=metadata.environment_slug,
            branch=metadata.branch,
            commit_sha=metadata.commit_sha,
            deployment_id=metadata.deployment_id,
            apex=self._apex,
        )
        return build_domains(naming, is_production=metadata.is_production)

    async def confirm_live(self, project_id: str, deployment_id: str) -> Outcome:
        """Read back the live pointer, which moved inside the routing transaction."""
        async with self._database.read() as session:
            project = await session.get_one(Project, project_id)
            hostnames = await domains.list_deployment_domains(session, deployment_id)
            return Outcome(is_live=project.live_deployment_id == deployment_id, hostnames=tuple(hostnames))

    async def validate_rollback(self, project_id: str, source_id: str, target_id: str) -> Move:
        """Source and target; an empty source is what is live. Raises NotFound or PreconditionFailed by the rules."""
        async with self._database.read() as session:
            project = await domains.load_project(session, project_id)
            source_id = source_id or check_has_live(project.live_deployment_id)
            source = await deployments.fetch_candidate(session, project_id, source_id)
            target = await deployments.fetch_candidate(session, project_id, target_id)
            check_rollback(project.live_deployment_id, source, target)
            return await _move(session, project_id, source_id, target_id)

    async def validate_promote(self, project_id: str, target_id: str) -> Move:
        """Source and target. Raises NotFound or PreconditionFailed by the rules of promote."""
        async with self._database.read() as session:
            project = await domains.load_project(session, project_id)
            target = await deployments.fetch_candidate(session, project_id, target_id)
            source_id = check_promote(project.live_deployment_id, target, is_rolled_back=project.is_rolled_back)
            return await _move(session, project_id, source_id, target_id)

    async def find_sticky_domains(self, project_id: str, environment_id: str) -> list[str]:
        """Ids of the domains that follow live or the environment. Raises PreconditionFailed when there are none."""
        async with self._database.read() as session:
            return list(await domains.list_sticky_domains(session, project_id, environment_id))

    # -- retention --------------------------------------------------------------------------------------------------

    async def select_surplus(self, project_id: str, deployment_id: str) -> list[str]:
        """Deployments to retire in the environment of this one."""
        async with self._database.read() as session:
            environment_id = (await deployments.fetch_candidate(session, project_id, deployment_id)).environment_id
            return await self._find_surplus(session, project_id, environment_id, DeploymentStatus.READY)

    async def retire(self, project_id: str, deployment_id: str) -> deployments.Metadata | None:
        """Status: stopped, if it still is surplus; None when it is needed again.

        Of those stopped before, the oldest are removed: the reconciler takes away what is left of them.
        """
        async with self._database.write() as session:
            metadata = await deployments.fetch_metadata(session, project_id, deployment_id)
            if metadata.status is DeploymentStatus.STOPPED:
                return metadata
            environment_id = metadata.environment_id
            if deployment_id not in await self._find_surplus(
                session, project_id, environment_id, DeploymentStatus.READY
            ):
                return None
            await deployments.set_status(session, deployment_id, DeploymentStatus.STOPPED)
            await instances.delete_instances(session, deployment_id)
            for oldest in await self._find_surplus(session, project_id, environment_id, DeploymentStatus.STOPPED):
                await deployments.set_status(session, oldest, DeploymentStatus.REMOVED)
            return metadata

    async def _find_surplus(
        self, session: AsyncSession, project_id: str, environment_id: str, status: DeploymentStatus
    ) -> list[str]:
        is_ready = status is DeploymentStatus.READY
        keep = self._settings.keep_ready if is_ready else self._settings.keep_stopped
        return await retention.find_surplus(session, project_id, environment_id, status, keep)


async def _move(session: AsyncSession, project_id: str, source_id: str, target_id: str) -> Move:
    return Move(
        source_id=source_id,
        target=await deployments.fetch_metadata(session, project_id, target_id),
        newest_operation_id=await operations.newest_standing_operation(session, project_id),
    )
