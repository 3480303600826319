"""DeploymentService, a Restate virtual object keyed by project id: the handlers and their wiring."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from restate import ObjectContext, VirtualObject

from services.config import DeploySettings
from services.db.engine import Database
from services.db.step_log import DatabaseStepLog
from services.deployment.effects import Effects
from services.deployment.rollback import promote, rollback
from services.deployment.run import Run
from services.deployment.workflow import deploy
from services.domain.enforcement import not_enforced
from services.domain.ids import check_id
from services.durable.failpoints import FailpointsOf, no_failpoints
from services.durable.saga import Failure, Saga, settle
from services.durable.serde import expose
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2
from services.routing.service import RoutingService

NAME: Final = "hydra.v1.DeploymentService"


class DeploymentService:
    """The handlers and their dependencies."""

    def __init__(
        self,
        database: Database,
        effects: Effects,
        routing: RoutingService,
        settings: DeploySettings,
        failpoints: FailpointsOf = no_failpoints,
    ) -> None:
        self._database = database
        self._effects = effects
        self._routing = routing
        self._settings = settings
        self._failpoints = failpoints
        self.object = VirtualObject(NAME, description=__doc__)
        expose(self.object, "Deploy", self._deploy, pb.DeployRequest, pb.DeployResponse)
        expose(self.object, "Rollback", self._rollback, pb.RollbackRequest, pb.RollbackResponse)
        expose(self.object, "Promote", self._promote, pb.PromoteRequest, pb.PromoteResponse)
        self._retire_handler = expose(self.object, "Retire", self._retire, pb.RetireRequest, pb.RetireResponse)
        expose(
            self.object,
            "AssignDomains",
            self._assign,
            routing_pb2.AssignDomainsRequest,
            routing_pb2.AssignDomainsResponse,
        )
        expose(
            self.object,
            "SwitchDomains",
            self._switch,
            routing_pb2.SwitchDomainsRequest,
            routing_pb2.SwitchDomainsResponse,
        )

    async def _deploy(self, ctx: ObjectContext, request: pb.DeployRequest) -> pb.DeployResponse:
        """Build, run, health-check and route a pending deployment, and make it live."""
        project_id, deployment_id = ctx.key(), check_id("deployment_id", request.deployment_id)
        if request.key_auth_id:
            raise not_enforced("key_auth_id", "leave it out, and check keys in the app")
        operation_id = ctx.request().id

        async def record(failure: Failure) -> None:
            await self._effects.row.fail(project_id, deployment_id, operation_id, failure)

        async with self._saga(ctx, "Deploy", deployment_id, record) as saga:
            response = await deploy(self._run(ctx, saga), request)
            await self._send_retirements(ctx, saga, deployment_id)
        return response

    async def _rollback(self, ctx: ObjectContext, request: pb.RollbackRequest) -> pb.RollbackResponse:
        """Move the project's environment and live domains from the live deployment back to an earlier one."""
        if request.source_deployment_id:
            check_id("source_deployment_id", request.source_deployment_id)
        target_id = check_id("target_deployment_id", request.target_deployment_id)
        async with self._saga(ctx, "Rollback", target_id, self._close_steps(ctx)) as saga:
            return await rollback(self._run(ctx, saga), request)

    async def _promote(self, ctx: ObjectContext, request: pb.PromoteRequest) -> pb.PromoteResponse:
        """Move the project's environment and live domains to a ready deployment; ends the rolled-back state."""
        target_id = check_id("target_deployment_id", request.target_deployment_id)
        async with self._saga(ctx, "Promote", target_id, self._close_steps(ctx)) as saga:
            return await promote(self._run(ctx, saga), request)

    async def _retire(self, ctx: ObjectContext, request: pb.RetireRequest) -> pb.RetireResponse:
        """Stop a ready deployment that nothing needs any more."""
        deployment_id = check_id("deployment_id", request.deployment_id)
        async with Saga(ctx, failpoints=self._failpoints("Retire", ctx.key())) as saga:
            # Retiring only goes forward: a deployment marked as stopped must not keep running.
            saga.commit()
            metadata = await saga.step("status stopped", self._effects.retention.retire, ctx.key(), deployment_id)
            if metadata is not None:
                await saga.step("stop in krane", self._effects.instances.stop, metadata.workspace_id, deployment_id)
        return pb.RetireResponse(retired=metadata is not None)

    async def _assign(
        self, ctx: ObjectContext, request: routing_pb2.AssignDomainsRequest
    ) -> routing_pb2.AssignDomainsResponse:
        """Call RoutingService.AssignDomains, queued behind the project's running operation."""
        return await settle(ctx.object_call(self._routing.assign_domains, ctx.key(), request))

    async def _switch(
        self, ctx: ObjectContext, request: routing_pb2.SwitchDomainsRequest
    ) -> routing_pb2.SwitchDomainsResponse:
        """Call RoutingService.SwitchDomains, queued behind the project's running operation."""
        return await settle(ctx.object_call(self._routing.switch_domains, ctx.key(), request))

    async def _send_retirements(self, ctx: ObjectContext, saga: Saga, deployment_id: str) -> None:
        delay = timedelta(seconds=self._settings.drain_seconds)
        for surplus_id in await saga.step("select surplus", self._effects.retention.select, ctx.key(), deployment_id):
            ctx.object_send(self._retire_handler, ctx.key(), pb.RetireRequest(deployment_id=surplus_id), delay)

    def _saga(
        self, ctx: ObjectContext, handler: str, deployment_id: str, on_failure: Callable[[Failure], Awaitable[None]]
    ) -> Saga:
        log = DatabaseStepLog(
            self._database, operation_id=ctx.request().id, operation=handler.lower(), deployment_id=deployment_id
        )
        failpoints = self._failpoints(handler, ctx.key())
        shown = {"operation": handler.lower(), "deployment_id": deployment_id, "invocation_id": ctx.request().id}
        return Saga(ctx, log=log, on_failure=on_failure, failpoints=failpoints, shown=shown)

    def _run(self, ctx: ObjectContext, saga: Saga) -> Run:
        return Run(
            id=ctx.request().id,
            project_id=ctx.key(),
            saga=saga,
            effects=self._effects,
            routing=self._routing,
            settings=self._settings,
        )

    def _close_steps(self, ctx: ObjectContext) -> Callable[[Failure], Awaitable[None]]:
        operation_id = ctx.request().id

        async def close(failure: Failure) -> None:
            await self._effects.row.close_steps(operation_id, failure)

        return close
