"""Deploy, as the specification's flowchart draws it.

Theory of operation. Each box is a journaled step with its undo registered before it. Up to the routing transaction
everything can be undone, and is, on failure or cancel: the deployment ends as failed or cancelled, its instances are
gone, live is where it was. Once the gateways have acknowledged the routes, the deployment serves: from that commit on,
what is left (status, retention) is only ever repeated until it is done.

The live pointer moves inside the routing transaction, so that no reader sees the domains moved and the pointer not; the
flowchart's last box reads it back.
"""

from datetime import timedelta
from typing import assert_never

from services.db.deployments import Metadata
from services.deployment.run import Run
from services.domain.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from services.domain.images import is_pinned, registry_of
from services.domain.readiness import Failed, InstanceState, Ready, Waiting, assess
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky, WantedDomain
from services.gen.gateway.v1 import gateway_pb2 as gateway
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2
from services.krane.types import AppSettings, BuildStatus, TaskStatus

# How long krane's word that a release command took too long is waited for.
RELEASE_MARGIN = timedelta(seconds=30)
_STICKY_ON_WIRE = {
    Sticky.COMMIT: routing_pb2.DOMAIN_STICKY_UNSPECIFIED,
    Sticky.BRANCH: routing_pb2.DOMAIN_STICKY_BRANCH,
    Sticky.ENVIRONMENT: routing_pb2.DOMAIN_STICKY_ENVIRONMENT,
    Sticky.LIVE: routing_pb2.DOMAIN_STICKY_LIVE,
}


async def deploy(run: Run, request: pb.DeployRequest) -> pb.DeployResponse:
    """The boxes of the flowchart, in order."""
    saga, steps, project_id, deployment_id = run.saga, run.steps, run.project_id, request.deployment_id
    key_auth_id = request.key_auth_id if request.HasField("key_auth_id") else None

    metadata = await saga.step(
        "fetch metadata", steps.fetch_metadata, project_id, deployment_id, request.docker_image, key_auth_id
    )
    if metadata.status is DeploymentStatus.READY:
        return await answer(run, deployment_id)
    await saga.step("status building", steps.claim, deployment_id, run.id)
    if metadata.image:
        image, said = await pin(run, metadata.workspace_id, metadata.image), AppSettings()
    else:
        image, said = await build(run, metadata)
    # From here on the row says with what it is run, whatever becomes of the project's settings.
    metadata = await saga.step("status deploying", steps.set_image, project_id, deployment_id, image, said)

    await pull(run, metadata.workspace_id, image)
    if metadata.release_command:
        await run_release(run, metadata, image)
    saga.undo("delete from krane", steps.delete, metadata.workspace_id, deployment_id)
    await saga.step("create in krane", steps.create, metadata, image)
    saga.undo("delete instances", steps.delete_instances, deployment_id)
    instances = await poll_until_ready(run, metadata)
    address = next(instance.address for instance in instances if instance.healthy)
    openapi_digest = await saga.step("scrape OpenAPI", steps.scrape_openapi, deployment_id, address)

    await saga.step("status network", steps.set_status, deployment_id, DeploymentStatus.NETWORK)
    domains = await saga.step("build domains", steps.build_domains, metadata)
    undo = routing_pb2.RestoreDomainsRequest(operation_id=run.id)
    saga.undo_call("restore domains", run.routing.restore_domains, project_id, undo)
    assignment = assign_request(run.id, metadata, domains, instances, openapi_digest)
    await saga.call("assign domains", run.routing.assign_domains, project_id, assignment)
    saga.commit()

    await saga.step("status ready", steps.set_status, deployment_id, DeploymentStatus.READY)
    return await answer(run, deployment_id)


async def answer(run: Run, deployment_id: str) -> pb.DeployResponse:
    """How a ready deployment stands; the same for everybody who asks for it again."""
    outcome = await run.saga.step("update live deployment", run.steps.confirm_live, run.project_id, deployment_id)
    return pb.DeployResponse(
        deployment_id=deployment_id,
        status=DeploymentStatus.READY,
        domains=outcome.hostnames,
        is_live=outcome.is_live,
    )


async def pin(run: Run, workspace_id: str, image: str) -> str:
    """The image as a reference that stays: ctrl records it like that, and Deploy itself may name a tag."""
    if is_pinned(image):
        return image
    return await run.saga.step("resolve image", run.steps.resolve_image, workspace_id, image)


async def pull(run: Run, workspace_id: str, image: str) -> None:
    """Have krane fetch an image of a registry, and wait for it; what a build made is there."""
    if registry_of(image) is None:
        return
    timeout = timedelta(seconds=run.settings.build_timeout_seconds)
    looks = run.saga.poll("pull image", run.steps.pull_image, timeout, workspace_id, image)
    looks.waiting_for = "the image is not there yet"
    async for is_here in looks:
        if is_here:
            return


async def build(run: Run, metadata: Metadata) -> tuple[str, AppSettings]:
    """Make the image in krane and wait for it; returns its reference, and what its source says."""
    saga, steps = run.saga, run.steps
    saga.undo("cancel build", steps.krane.cancel_build, metadata.workspace_id, metadata.deployment_id)
    await saga.step("start build", steps.start_build, metadata)
    timeout = timedelta(seconds=run.settings.build_timeout_seconds)
    looks = saga.poll("build", steps.observe_build, timeout, metadata.workspace_id, metadata.deployment_id)
    looks.waiting_for = "the build has not ended"
    source = metadata.source
    async for state in looks:
        if state is None:
            raise saga.fail("build", NotFound(f"krane lost build {metadata.deployment_id}; deploy again"))
        if metadata.git and state.source and state.source != source:
            # Only now is it known which commit the ref names, or the branch when there is no ref; from here on the row
            # says it.
            source = state.source
            await saga.step("record commit", steps.set_source, metadata.deployment_id, state)
        match state.status:
            case BuildStatus.RUNNING:
                continue
            case BuildStatus.SUCCEEDED:
                return state.image, state.settings
            case BuildStatus.FAILED | BuildStatus.CANCELLED:
                raise saga.fail("build", Invalid(f"the build failed: {state.error or state.status}"))
            case _:
                assert_never(state.status)
    raise AssertionError("a poll ends by its deadline only")


async def run_release(run: Run, metadata: Metadata, image: str) -> None:
    """Run the release command once in the new image, and wait until it has ended well."""
    saga, steps = run.saga, run.steps
    saga.undo("stop release command", steps.krane.delete_task, metadata.workspace_id, metadata.deployment_id)
    await saga.step("start release command", steps.start_release, metadata, image)
    # krane stops it at its deadline and says so; ours is for a krane that is away.
    timeout = timedelta(seconds=run.settings.release_timeout_seconds) + RELEASE_MARGIN
    looks = saga.poll("release command", steps.observe_release, timeout, metadata.workspace_id, metadata.deployment_id)
    looks.waiting_for = "the release command has not ended"
    async for state in looks:
        if state is None:
            message = (
                f"krane lost the release command of {metadata.deployment_id}; look at what it did, then deploy again"
            )
            raise saga.fail("release command", NotFound(message))
        match state.status:
            case TaskStatus.RUNNING:
                continue
            case TaskStatus.SUCCEEDED:
                return
            case TaskStatus.FAILED | TaskStatus.CANCELLED:
                raise saga.fail("release command", PreconditionFailed(f"the release command failed: {state.reason}"))
            case _:
                assert_never(state.status)
    raise AssertionError("a poll ends by its deadline only")


async def poll_until_ready(run: Run, metadata: Metadata) -> tuple[InstanceState, ...]:
    """Look at the instances until enough are healthy, keeping their records up to date; returns them."""
    saga, steps = run.saga, run.steps
    known: tuple[InstanceState, ...] = ()
    timeout = timedelta(seconds=metadata.ready_seconds or run.settings.ready_timeout_seconds)
    looks = saga.poll("poll until ready", steps.observe, timeout, metadata.workspace_id, metadata.deployment_id)
    async for state in looks:
        if state is None:
            message = f"krane lost deployment {metadata.deployment_id}; deploy again"
            raise saga.fail("poll until ready", Unavailable(message))
        if state.instances != known:
            known = state.instances
            await saga.step("upsert instances", steps.upsert_instances, metadata.deployment_id, known)
        match assess(known, metadata.replicas):
            case Ready():
                return known
            case Failed(reason):
                raise saga.fail("poll until ready", PreconditionFailed(reason))
            case Waiting(reason):
                looks.waiting_for = reason
    raise AssertionError("a poll ends by its deadline only")


def assign_request(
    operation_id: str,
    metadata: Metadata,
    domains: list[WantedDomain],
    instances: tuple[InstanceState, ...],
    openapi_digest: str | None,
) -> routing_pb2.AssignDomainsRequest:
    """What RoutingService is asked for."""
    config = gateway.GatewayConfig(
        project_id=metadata.project_id,
        deployment=gateway.Deployment(id=metadata.deployment_id, is_enabled=True),
        instances=[gateway.Instance(id=i.id, address=i.address) for i in instances],
    )
    if metadata.key_auth_id:
        config.auth.key_auth_id = metadata.key_auth_id
    if openapi_digest:
        config.validation.openapi_digest = openapi_digest
    return routing_pb2.AssignDomainsRequest(
        workspace_id=metadata.workspace_id,
        project_id=metadata.project_id,
        environment_id=metadata.environment_id,
        deployment_id=metadata.deployment_id,
        domains=[
            routing_pb2.DomainToAssign(name=domain.hostname, sticky=_STICKY_ON_WIRE[domain.sticky])
            for domain in domains
        ],
        gateway_config=config,
        operation_id=operation_id,
    )
