"""What a workflow has at hand while it runs."""

from dataclasses import dataclass

from services.config import DeploySettings
from services.deployment.steps import DeploymentSteps
from services.durable.saga import Saga
from services.routing.service import RoutingService


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One invocation of Deploy, Rollback or Promote."""

    # The Restate invocation id; names the operation in the step log and in the routing ledger.
    id: str
    project_id: str
    saga: Saga
    steps: DeploymentSteps
    routing: RoutingService
    settings: DeploySettings
