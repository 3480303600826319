"""What the bridge and the dispatcher talk to in tests: DeploymentService under the test's control, on real Restate.

Run as `python -m tests.ctrl.endpoint PORT DATABASE_URL`. Deploy does what the deployment's message says: "hold" (until
cancelled), "fail in STEP", else become ready. The other handlers answer what they were sent, or refuse with the status
in the target's id ("refuse-404"), or take their time ("slow").
"""

import asyncio
import signal
import sys
from datetime import timedelta

from restate import ObjectContext, RunOptions, TerminalError, VirtualObject

from services.db.deployments import claim, fetch_metadata, record_failure, set_status
from services.db.engine import Database
from services.db.steps import begin_step, end_step
from services.db.tables import Deployment
from services.domain.status import DeploymentStatus
from services.durable.saga import is_cancel, settle
from services.durable.serde import expose
from services.durable.serving import endpoint_app, serve
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2

ONCE = RunOptions[str](max_attempts=1)


class Workflow:
    """A workflow of one step."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def deploy(self, ctx: ObjectContext, request: pb.DeployRequest) -> pb.DeployResponse:
        deployment_id, operation_id = request.deployment_id, ctx.request().id
        try:
            wanted = await settle(
                ctx.run_typed(
                    "begin",
                    self.begin,
                    ONCE,
                    project_id=ctx.key(),
                    deployment_id=deployment_id,
                    operation_id=operation_id,
                )
            )
            if wanted == "hold":
                await ctx.sleep(timedelta(minutes=5))
        except TerminalError as error:
            if is_cancel(error):
                await ctx.run_typed(
                    "cancelled", self.end, ONCE, ctx.key(), deployment_id, operation_id, "build", is_cancelled=True
                )
            raise
        if wanted.startswith("fail in "):
            step = wanted.removeprefix("fail in ")
            await ctx.run_typed("failed", self.end, ONCE, ctx.key(), deployment_id, operation_id, step)
            raise TerminalError(f"failed in {step}", status_code=412)
        await ctx.run_typed("ready", self.ready, ONCE, deployment_id, operation_id)
        return pb.DeployResponse(deployment_id=deployment_id, status="ready")

    async def begin(self, *, project_id: str, deployment_id: str, operation_id: str) -> str:
        async with self.database.write() as session:
            await fetch_metadata(session, project_id, deployment_id)
            await claim(session, deployment_id, operation_id)
            await begin_step(
                session,
                operation_id=operation_id,
                operation="deploy",
                deployment_id=deployment_id,
                name="build",
            )
            return (await session.get_one(Deployment, deployment_id)).message

    async def end(
        self, project_id: str, deployment_id: str, operation_id: str, step: str, *, is_cancelled: bool = False
    ) -> str:
        async with self.database.write() as session:
            await end_step(session, operation_id=operation_id, name="build", error="it broke")
            await record_failure(
                session,
                project_id,
                deployment_id,
                operation_id,
                step=step,
                reason="it broke",
                log="one\ntwo",
                is_cancelled=is_cancelled,
            )
        return ""

    async def ready(self, deployment_id: str, operation_id: str) -> str:
        async with self.database.write() as session:
            await end_step(session, operation_id=operation_id, name="build", error=None)
            for status in (DeploymentStatus.DEPLOYING, DeploymentStatus.NETWORK, DeploymentStatus.READY):
                await set_status(session, deployment_id, status)
        return ""


async def rollback(_: ObjectContext, request: pb.RollbackRequest) -> pb.RollbackResponse:
    return pb.RollbackResponse(
        domains=["moved.example"],
        source_deployment_id=request.source_deployment_id,
        target_deployment_id=request.target_deployment_id,
        start="warm",
    )


async def promote(_: ObjectContext, request: pb.PromoteRequest) -> pb.PromoteResponse:
    return pb.PromoteResponse(
        domains=["moved.example"],
        source_deployment_id="d_before",
        target_deployment_id=request.target_deployment_id,
        start="cold",
    )


async def assign_domains(
    ctx: ObjectContext, request: routing_pb2.AssignDomainsRequest
) -> routing_pb2.AssignDomainsResponse:
    names = [domain.name for domain in request.domains]
    return routing_pb2.AssignDomainsResponse(changed_domain_names=[ctx.key(), *names], revision=2**40)


async def switch_domains(
    ctx: ObjectContext, request: routing_pb2.SwitchDomainsRequest
) -> routing_pb2.SwitchDomainsResponse:
    target = request.target_deployment_id
    if target.startswith("refuse-"):
        raise TerminalError(f"refused {target}", status_code=int(target.removeprefix("refuse-")))
    if target == "slow":
        await ctx.sleep(timedelta(seconds=30))
    return routing_pb2.SwitchDomainsResponse(changed_domain_names=[str(ctx.uuid())])


async def main(port: int, database_url: str) -> None:
    workflow = Workflow(Database(database_url))
    service = VirtualObject("hydra.v1.DeploymentService")
    expose(service, "Deploy", workflow.deploy, pb.DeployRequest, pb.DeployResponse)
    expose(service, "Rollback", rollback, pb.RollbackRequest, pb.RollbackResponse)
    expose(service, "Promote", promote, pb.PromoteRequest, pb.PromoteResponse)
    expose(
        service,
        "AssignDomains",
        assign_domains,
        routing_pb2.AssignDomainsRequest,
        routing_pb2.AssignDomainsResponse,
    )
    expose(
        service,
        "SwitchDomains",
        switch_domains,
        routing_pb2.SwitchDomainsRequest,
        routing_pb2.SwitchDomainsResponse,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(endpoint_app([service], None), "127.0.0.1", port, stop=stop, grace_seconds=1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
