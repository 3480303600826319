"""Ensure that a deployment can take traffic before live moves to it."""

from services.db.deployments import Metadata
from services.deployment.run import Run
from services.deployment.workflow import poll_until_ready, pull
from services.domain.errors import PreconditionFailed
from services.domain.live import Start, check_start
from services.domain.status import DeploymentStatus
from services.krane.types import running_instances


async def ensure_serving(run: Run, target: Metadata) -> Start:
    """Check the target in krane. If it is stopped or gone, start it and wait until it is healthy.

    Raises PreconditionFailed if it runs but is not healthy.
    """
    saga, effects = run.saga, run.effects
    state = await saga.step(
        "check target instances", effects.instances.probe, target.workspace_id, target.deployment_id
    )
    instances = running_instances(state)
    if instances is not None:
        await saga.step("upsert instances", effects.instances.record, target.deployment_id, instances)
    start = check_start(target.deployment_id, target.run.replicas, instances)
    if start is Start.COLD:
        await start_again(run, target)
    return start


async def start_again(run: Run, target: Metadata) -> None:
    """Start a deployment from its image."""
    if target.image is None:
        raise PreconditionFailed(f"{target.deployment_id} has no image to start from; deploy it again")
    saga, effects = run.saga, run.effects
    saga.undo("stop in krane", effects.instances.stop, target.workspace_id, target.deployment_id)
    await pull(run, target.workspace_id, target.image)
    await saga.step("create in krane", effects.instances.create, target, target.image)
    await saga.step("start in krane", effects.instances.start, target.workspace_id, target.deployment_id, target.image)
    saga.undo("delete instances", effects.instances.forget, target.deployment_id)
    await poll_until_ready(run, target)
    saga.undo("status stopped", effects.row.set_status, target.deployment_id, DeploymentStatus.STOPPED)
    await saga.step("status ready", effects.row.set_status, target.deployment_id, DeploymentStatus.READY)
