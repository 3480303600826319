"""Conversions between the enums of ctrl.v1 and ours."""

from typing import Final

from services.domain.live import Start
from services.domain.operations import Operation, TransitionKind
from services.domain.readiness import InstanceStatus
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb
from services.rpc.enums import WireEnum

DEPLOYMENT_STATUS: Final = WireEnum(DeploymentStatus, pb.DeploymentStatus)
INSTANCE_STATUS: Final = WireEnum(InstanceStatus, pb.InstanceStatus)
STICKY: Final = WireEnum(Sticky, pb.Sticky)
START: Final = WireEnum(Start, pb.Start)
OPERATION: Final = WireEnum(Operation, pb.Operation)
TRANSITION_KIND: Final = WireEnum(TransitionKind, pb.TransitionKind)


def status_of(deployment: pb.Deployment) -> DeploymentStatus:
    """Return the status of a deployment."""
    return DEPLOYMENT_STATUS.decode(deployment.status)
