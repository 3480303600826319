"""The context of a running workflow."""

from dataclasses import dataclass

from services.config import DeploySettings
from services.deployment.effects import Effects
from services.durable.saga import Saga
from services.routing.service import RoutingService


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One invocation of Deploy, Rollback or Promote."""

    # Restate's invocation id; also the id of the operation in the step log and the routing ledger.
    id: str
    project_id: str
    saga: Saga
    effects: Effects
    routing: RoutingService
    settings: DeploySettings
