"""RoutingService, a Restate virtual object keyed by project id.

It is private at the ingress: only handlers of DeploymentService that hold the project's key call it. When it answers,
every registered gateway serves the change. If a gateway does not acknowledge in time, the change is undone.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from restate import ObjectContext, VirtualObject

from services.db.engine import Database
from services.db.gateways import list_gateways
from services.db.step_log import DatabaseStepLog
from services.domain.enforcement import not_enforced
from services.domain.errors import Invalid, Unavailable
from services.domain.hostnames import check_hostname
from services.domain.ids import check_id
from services.domain.stickiness import Sticky, WantedDomain
from services.durable.failpoints import FailpointsOf, no_failpoints
from services.durable.saga import Done, Saga, Wait
from services.durable.serde import expose
from services.gateway.client import GatewayClient
from services.gen.gateway.v1 import gateway_pb2
from services.gen.hydra.v1 import routing_pb2 as pb
from services.routing.transactions import AssignCommand, RoutingTransactions, SwitchCommand

NAME: Final = "hydra.v1.RoutingService"
MAX_DOMAINS: Final = 1000
# Time that one poll waits for a gateway's acknowledgement, which usually takes milliseconds.
_SYNC_WAIT: Final = timedelta(seconds=1)
_OPERATION = {
    pb.SWITCH_REASON_UNSPECIFIED: "switch",
    pb.SWITCH_REASON_ROLLBACK: "rollback",
    pb.SWITCH_REASON_PROMOTE: "promote",
}
_FLAG_AFTER = {
    pb.SWITCH_REASON_UNSPECIFIED: None,
    pb.SWITCH_REASON_ROLLBACK: True,
    pb.SWITCH_REASON_PROMOTE: False,
}
_STICKY = {
    pb.DOMAIN_STICKY_UNSPECIFIED: Sticky.COMMIT,
    pb.DOMAIN_STICKY_BRANCH: Sticky.BRANCH,
    pb.DOMAIN_STICKY_ENVIRONMENT: Sticky.ENVIRONMENT,
    pb.DOMAIN_STICKY_LIVE: Sticky.LIVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLag:
    """The gateways that do not serve a revision yet."""

    behind: tuple[str, ...]
    # Envoy's reason for rejecting it; empty if it did not.
    rejection: str = ""


class RoutingService:
    """The handlers and their dependencies."""

    def __init__(
        self,
        database: Database,
        gateways: GatewayClient,
        transactions: RoutingTransactions,
        timeout: timedelta,
        failpoints: FailpointsOf = no_failpoints,
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._transactions = transactions
        self._timeout = timeout
        self._failpoints = failpoints
        self.object = VirtualObject(NAME, description=__doc__, ingress_private=True)
        self.assign_domains = expose(
            self.object, "AssignDomains", self._assign_domains, pb.AssignDomainsRequest, pb.AssignDomainsResponse
        )
        self.switch_domains = expose(
            self.object, "SwitchDomains", self._switch_domains, pb.SwitchDomainsRequest, pb.SwitchDomainsResponse
        )
        self.restore_domains = expose(
            self.object, "RestoreDomains", self._restore_domains, pb.RestoreDomainsRequest, pb.RestoreDomainsResponse
        )

    async def _assign_domains(self, ctx: ObjectContext, request: pb.AssignDomainsRequest) -> pb.AssignDomainsResponse:
        """Point domains at a deployment: gateway configs, domains, live pointer and flag in one transaction."""
        operation_id = request.operation_id or ctx.request().id
        command = _assign_command(ctx.key(), operation_id, request)
        log = self._log(operation_id, "deploy", command.deployment_id)
        async with Saga(ctx, log=log, failpoints=self._failpoints("AssignDomains", ctx.key())) as saga:
            saga.undo("restore domains", self._transactions.restore, ctx.key(), operation_id)
            routed = await saga.step("assign domains", self._transactions.assign, command)
            await self._await_gateways(saga, routed.revision)
        return pb.AssignDomainsResponse(
            changed_domain_names=routed.hostnames,
            held_domains=[pb.HeldDomain(name=held.hostname, reason=held.reason) for held in routed.held],
            is_live=routed.is_live,
            revision=routed.revision,
        )

    async def _switch_domains(self, ctx: ObjectContext, request: pb.SwitchDomainsRequest) -> pb.SwitchDomainsResponse:
        """Point existing domains at a chosen deployment, in one transaction."""
        operation_id = request.operation_id or ctx.request().id
        command = _switch_command(ctx.key(), operation_id, request)
        log = self._log(operation_id, command.kind, command.deployment_id)
        async with Saga(ctx, log=log, failpoints=self._failpoints("SwitchDomains", ctx.key())) as saga:
            saga.undo("restore domains", self._transactions.restore, ctx.key(), operation_id)
            routed = await saga.step("switch domains", self._transactions.switch, command)
            await self._await_gateways(saga, routed.revision)
        return pb.SwitchDomainsResponse(changed_domain_names=routed.hostnames, revision=routed.revision)

    async def _restore_domains(
        self, ctx: ObjectContext, request: pb.RestoreDomainsRequest
    ) -> pb.RestoreDomainsResponse:
        """Undo the changes of an operation that are still in place, and sync the gateways once."""
        operation_id = check_id("operation_id", request.operation_id)
        async with Saga(ctx, failpoints=self._failpoints("RestoreDomains", ctx.key())) as saga:
            routed = await saga.step("restore domains", self._transactions.restore, ctx.key(), operation_id)
            # Also if there was nothing to undo: the operation may have undone itself without syncing the gateways, and
            # the instances that they still route to are about to be deleted.
            await saga.attempt("sync gateways", self.sync_gateways, routed.revision)
        return pb.RestoreDomainsResponse(restored_domain_names=routed.hostnames, revision=routed.revision)

    async def _await_gateways(self, saga: Saga, revision: int) -> None:
        async def decide(lag: GatewayLag) -> Wait | Done[None]:
            if lag.rejection:
                raise Unavailable(f"routing revision {revision}: {lag.rejection}")
            if lag.behind:
                return Wait(f"routing revision {revision} is not acknowledged by {', '.join(lag.behind)}")
            return Done(None)

        await saga.poll("await gateways", decide, self._timeout, self.sync_gateways, revision)

    async def sync_gateways(self, revision: int) -> GatewayLag:
        """Ask every registered gateway to apply `revision`; returns those that have not within a second each."""
        async with self._database.read() as session:
            gateways = await list_gateways(session)
        if not gateways:
            return GatewayLag(behind=("any gateway (none is registered)",))
        behind: list[str] = []
        for gateway in gateways:
            if gateway.acknowledged_revision >= revision:
                continue
            try:
                result = await self._gateways.sync(gateway.agent_address, revision, _SYNC_WAIT)
            except Unavailable:
                behind.append(gateway.id)
                continue
            if result.rejection:
                return GatewayLag(behind=(gateway.id,), rejection=f"gateway {gateway.id}: {result.rejection}")
            if result.acknowledged_revision < revision:
                behind.append(gateway.id)
        return GatewayLag(behind=tuple(behind))

    def _log(self, operation_id: str, operation: str, deployment_id: str) -> DatabaseStepLog:
        return DatabaseStepLog(
            self._database, operation_id=operation_id, operation=operation, deployment_id=deployment_id
        )


def _assign_command(project_id: str, operation_id: str, request: pb.AssignDomainsRequest) -> AssignCommand:
    _check_config(request.gateway_config)
    if request.project_id != project_id:
        raise Invalid(
            f"project_id {request.project_id!r} differs from the key {project_id!r} of the call: send the same"
        )
    if not 0 < len(request.domains) <= MAX_DOMAINS:
        raise Invalid(f"name 1 to {MAX_DOMAINS} domains")
    return AssignCommand(
        operation_id=check_id("operation_id", operation_id),
        project_id=project_id,
        workspace_id=check_id("workspace_id", request.workspace_id),
        environment_id=check_id("environment_id", request.environment_id),
        deployment_id=check_id("deployment_id", request.deployment_id),
        domains=tuple(_wanted(domain) for domain in request.domains),
    )


def _check_config(config: gateway_pb2.GatewayConfig) -> None:
    """Refuse what a gateway would not do. What the sender saw, and who it is for, stands in the database."""
    if config.auth.key_auth_id:
        raise not_enforced("gateway_config.auth", "leave it out, and check keys in the app")
    if config.validation.openapi_spec:
        raise not_enforced("gateway_config.validation.openapi_spec", "leave it out, and validate requests in the app")
    if config.HasField("deployment") and not config.deployment.is_enabled:
        raise not_enforced(
            "gateway_config.deployment.is_enabled = false", "send true, and assign no domains to what is to be disabled"
        )


def _wanted(domain: pb.DomainToAssign) -> WantedDomain:
    sticky = _STICKY.get(domain.sticky)
    if sticky is None:
        raise Invalid(f"domain {domain.name[:80]!r}: {domain.sticky} is not a value of DomainSticky")
    return WantedDomain(hostname=check_hostname(domain.name), sticky=sticky)


def _switch_command(project_id: str, operation_id: str, request: pb.SwitchDomainsRequest) -> SwitchCommand:
    kind = _OPERATION.get(request.reason)
    if kind is None:
        raise Invalid(f"{request.reason} is not a value of SwitchReason")
    if not 0 < len(request.domain_ids) <= MAX_DOMAINS:
        raise Invalid(f"name 1 to {MAX_DOMAINS} domain_ids; list them with `interlock domains ls`")
    return SwitchCommand(
        operation_id=check_id("operation_id", operation_id),
        project_id=project_id,
        deployment_id=check_id("target_deployment_id", request.target_deployment_id),
        domain_ids=tuple(check_id("domain_id", domain_id) for domain_id in request.domain_ids),
        kind=kind,
        is_rolled_back=_FLAG_AFTER[request.reason],
        expected_live=request.expected_live_deployment_id or None,
        expected_operation=request.expected_operation_id or None,
        note=request.note,
    )
