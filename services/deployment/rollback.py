"""Rollback and Promote, as in the flowcharts of the specification. Both move live to a chosen deployment.

Both check the target in krane, and then move all domains that follow live or the environment in one routing
transaction, which also sets or clears the rolled-back flag.
"""

from services.deployment.effects.live import Move
from services.deployment.run import Run
from services.deployment.serving import ensure_serving
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2


async def rollback(run: Run, request: pb.RollbackRequest) -> pb.RollbackResponse:
    """Move live back. It stays there until a promote."""
    source_id, target_id = request.source_deployment_id, request.target_deployment_id
    validate = run.effects.live.validate_rollback
    move = await run.saga.step("validate deployments", validate, run.project_id, source_id, target_id)
    start = await ensure_serving(run, move.target)
    reason = routing_pb2.SWITCH_REASON_ROLLBACK
    moved = await switch(run, move, reason, request.reason, expected_live=move.source_id)
    return pb.RollbackResponse(
        domains=moved, source_deployment_id=move.source_id, target_deployment_id=target_id, start=start
    )


async def promote(run: Run, request: pb.PromoteRequest) -> pb.PromoteResponse:
    """Move live to a chosen deployment. Newer deployments can become live again."""
    validate, target_id = run.effects.live.validate_promote, request.target_deployment_id
    move = await run.saga.step("validate deployment", validate, run.project_id, target_id)
    start = await ensure_serving(run, move.target)
    reason = routing_pb2.SWITCH_REASON_PROMOTE
    moved = await switch(run, move, reason, request.reason, expected_live="")
    return pb.PromoteResponse(
        domains=moved, source_deployment_id=move.source_id, target_deployment_id=target_id, start=start
    )


async def switch(run: Run, move: Move, reason: routing_pb2.SwitchReason, note: str, *, expected_live: str) -> list[str]:
    """Find the sticky domains, switch them, read back the live pointer; returns the hostnames that moved."""
    saga, effects, project_id, target = run.saga, run.effects, run.project_id, move.target
    domain_ids = await saga.step("find sticky domains", effects.live.find_sticky, project_id, target.environment_id)
    undo = routing_pb2.RestoreDomainsRequest(operation_id=run.id)
    saga.undo_call("restore domains", run.routing.restore_domains, project_id, undo)
    request = routing_pb2.SwitchDomainsRequest(
        target_deployment_id=target.deployment_id,
        domain_ids=domain_ids,
        operation_id=run.id,
        reason=reason,
        expected_live_deployment_id=expected_live,
        expected_operation_id=move.newest_operation_id,
        note=note,
    )
    answer = await saga.call("switch domains", run.routing.switch_domains, project_id, request)
    saga.commit()
    await saga.step("update live deployment", effects.live.confirm, project_id, target.deployment_id)
    return list(answer.changed_domain_names)
