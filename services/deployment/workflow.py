"""Deploy, as in the flowchart of the specification.

Theory of operation. Each box is a journaled step, and its undo is registered before it. Until the gateways acknowledge
the routes, a failure or cancel undoes everything: the deployment ends as failed or cancelled, its instances are gone,
and live has not moved. After the acknowledgement the saga commits: the remaining steps (status, retention) are retried
until they succeed.

The routing transaction moves the live pointer together with the domains, so no reader sees one without the other. The
last box of the flowchart only reads the pointer.
"""

from datetime import timedelta

from services.db.deployments import Metadata
from services.deployment.effects.instances import SCRAPE_OPENAPI
from services.deployment.run import Run
from services.domain.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from services.domain.images import is_pinned, registry_of
from services.domain.readiness import Failed, InstanceState, Ready, Waiting, assess
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky, WantedDomain
from services.durable.saga import Done, Wait
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2
from services.krane.types import AppSettings, BuildState, BuildStatus, DeploymentState, TaskState, TaskStatus

# Time that krane gets to report that a release command took too long.
RELEASE_MARGIN = timedelta(seconds=30)
_STICKY_ON_WIRE = {
    Sticky.COMMIT: routing_pb2.DOMAIN_STICKY_UNSPECIFIED,
    Sticky.BRANCH: routing_pb2.DOMAIN_STICKY_BRANCH,
    Sticky.ENVIRONMENT: routing_pb2.DOMAIN_STICKY_ENVIRONMENT,
    Sticky.LIVE: routing_pb2.DOMAIN_STICKY_LIVE,
}


async def deploy(run: Run, request: pb.DeployRequest) -> pb.DeployResponse:
    """Run the boxes of the flowchart, in order."""
    saga, effects, project_id, deployment_id = run.saga, run.effects, run.project_id, request.deployment_id

    metadata = await saga.step("fetch metadata", effects.row.fetch, project_id, deployment_id, request.docker_image)
    if metadata.status is DeploymentStatus.READY:
        return await answer(run, deployment_id)
    await saga.step("status building", effects.row.claim, deployment_id, run.id)
    if metadata.image:
        image, said = await pin(run, metadata.workspace_id, metadata.image), AppSettings()
    else:
        image, said = await build(run, metadata)
    # The row now has the effective settings; later changes to the project's settings do not affect it.
    metadata = await saga.step("status deploying", effects.row.set_image, project_id, deployment_id, image, said)

    await pull(run, metadata.workspace_id, image)
    if metadata.run.release_command:
        await run_release(run, metadata, image)
    saga.undo("delete from krane", effects.instances.delete, metadata.workspace_id, deployment_id)
    await saga.step("create in krane", effects.instances.create, metadata, image)
    saga.undo("delete instances", effects.instances.forget, deployment_id)
    instances = await poll_until_ready(run, metadata)
    address = next(instance.address for instance in instances if instance.healthy)
    await saga.step(SCRAPE_OPENAPI, effects.instances.scrape_openapi, run.id, metadata, address)

    await saga.step("status network", effects.row.set_status, deployment_id, DeploymentStatus.NETWORK)
    domains = await saga.step("build domains", effects.live.build_domains, metadata)
    undo = routing_pb2.RestoreDomainsRequest(operation_id=run.id)
    saga.undo_call("restore domains", run.routing.restore_domains, project_id, undo)
    assignment = assign_request(run.id, metadata, domains)
    await saga.call("assign domains", run.routing.assign_domains, project_id, assignment)
    saga.commit()

    await saga.step("status ready", effects.row.set_status, deployment_id, DeploymentStatus.READY)
    return await answer(run, deployment_id)


async def answer(run: Run, deployment_id: str) -> pb.DeployResponse:
    """Return the state of a ready deployment, also for repeated requests."""
    outcome = await run.saga.step("update live deployment", run.effects.live.confirm, run.project_id, deployment_id)
    return pb.DeployResponse(
        deployment_id=deployment_id,
        status=DeploymentStatus.READY,
        domains=outcome.hostnames,
        is_live=outcome.is_live,
    )


async def pin(run: Run, workspace_id: str, image: str) -> str:
    """Return the image with a digest. ctrl records it like that, but a Deploy request may name a tag."""
    if is_pinned(image):
        return image
    return await run.saga.step("resolve image", run.effects.image.resolve, workspace_id, image)


async def pull(run: Run, workspace_id: str, image: str) -> None:
    """Let krane pull an image and wait for it; built images exist already."""
    if registry_of(image) is None:
        return

    async def decide(is_here: bool) -> Wait | Done[None]:
        return Done(None) if is_here else Wait("the image is not there yet")

    timeout = timedelta(seconds=run.settings.build_timeout_seconds)
    await run.saga.poll("pull image", decide, timeout, run.effects.image.pull, workspace_id, image)


async def build(run: Run, metadata: Metadata) -> tuple[str, AppSettings]:
    """Build the image in krane and wait for it; returns its reference and the settings of the source."""
    saga, effects, deployment_id = run.saga, run.effects, metadata.deployment_id
    saga.undo("cancel build", effects.build.cancel, metadata.workspace_id, deployment_id)
    await saga.step("start build", effects.build.start, metadata)
    recorded = metadata.source

    async def decide(state: BuildState | None) -> Wait | Done[tuple[str, AppSettings]]:
        nonlocal recorded
        if state is None:
            raise NotFound(f"krane lost build {deployment_id}; deploy again")
        if metadata.git and state.source and state.source != recorded:
            # The fetch has resolved the ref to a commit, and found the default branch if there was no ref.
            recorded = state.source
            await saga.step("record commit", effects.row.set_source, deployment_id, state)
        match state.status:
            case BuildStatus.RUNNING:
                return Wait("the build has not ended")
            case BuildStatus.SUCCEEDED:
                return Done((state.image, state.settings))
            case BuildStatus.FAILED | BuildStatus.CANCELLED:
                raise Invalid(f"the build failed: {state.error or state.status}")

    timeout = timedelta(seconds=run.settings.build_timeout_seconds)
    return await saga.poll("build", decide, timeout, effects.build.observe, metadata.workspace_id, deployment_id)


async def run_release(run: Run, metadata: Metadata, image: str) -> None:
    """Run the release command once in the new image, and wait until it has succeeded."""
    saga, effects, task = run.saga, run.effects, (metadata.workspace_id, metadata.deployment_id)
    saga.undo("stop release command", effects.release.delete, *task)
    await saga.step("start release command", effects.release.start, metadata, image)

    async def decide(state: TaskState | None) -> Wait | Done[None]:
        if state is None:
            raise NotFound(
                f"krane lost the release command of {metadata.deployment_id}; look at what it did, then deploy again"
            )
        match state.status:
            case TaskStatus.RUNNING:
                return Wait("the release command has not ended")
            case TaskStatus.SUCCEEDED:
                return Done(None)
            case TaskStatus.FAILED | TaskStatus.CANCELLED:
                raise PreconditionFailed(f"the release command failed: {state.reason}")

    # krane stops the command at its deadline; this later deadline is for an unavailable krane.
    timeout = timedelta(seconds=run.settings.release_timeout_seconds) + RELEASE_MARGIN
    await saga.poll("release command", decide, timeout, effects.release.observe, *task)


async def poll_until_ready(run: Run, metadata: Metadata) -> tuple[InstanceState, ...]:
    """Poll the instances until enough are healthy, and keep their records up to date; returns the instances."""
    saga, effects, deployment_id = run.saga, run.effects, metadata.deployment_id
    recorded: tuple[InstanceState, ...] = ()

    async def decide(state: DeploymentState | None) -> Wait | Done[tuple[InstanceState, ...]]:
        nonlocal recorded
        if state is None:
            raise Unavailable(f"krane lost deployment {deployment_id}; deploy again")
        if state.instances != recorded:
            recorded = state.instances
            await saga.step("upsert instances", effects.instances.record, deployment_id, recorded)
        match assess(recorded, metadata.run.replicas):
            case Ready():
                return Done(recorded)
            case Failed(reason):
                raise PreconditionFailed(reason)
            case Waiting(reason):
                return Wait(reason)

    timeout = timedelta(seconds=metadata.run.ready_seconds or run.settings.ready_timeout_seconds)
    return await saga.poll(
        "poll until ready", decide, timeout, effects.instances.observe, metadata.workspace_id, deployment_id
    )


def assign_request(
    operation_id: str, metadata: Metadata, domains: list[WantedDomain]
) -> routing_pb2.AssignDomainsRequest:
    """Build the request to RoutingService."""
    return routing_pb2.AssignDomainsRequest(
        workspace_id=metadata.workspace_id,
        project_id=metadata.project_id,
        environment_id=metadata.environment_id,
        deployment_id=metadata.deployment_id,
        domains=[
            routing_pb2.DomainToAssign(name=domain.hostname, sticky=_STICKY_ON_WIRE[domain.sticky])
            for domain in domains
        ],
        operation_id=operation_id,
    )
