"""What a deployment is run with: what it was given when it was recorded, and what that was settled to."""

from pydantic import TypeAdapter

from services.db.tables import Deployment
from services.domain.settings import RunSettings, Settled

_SETTINGS = TypeAdapter(RunSettings)


def write_given(deployment: Deployment, given: RunSettings) -> None:
    """Keep what request and project say."""
    deployment.given_settings = _SETTINGS.dump_python(given, mode="json", exclude_none=True)


def read_given(deployment: Deployment) -> RunSettings:
    """What request and project said."""
    return _SETTINGS.validate_python(deployment.given_settings)


def write_settled(deployment: Deployment, settled: Settled) -> None:
    """Run it with these."""
    deployment.replicas = settled.replicas
    deployment.cpu_millicores = settled.cpu_millicores
    deployment.memory_mib = settled.memory_mib
    deployment.health_path = settled.health_path
    deployment.port = settled.port
    deployment.stop_seconds = settled.stop_seconds
    deployment.ready_seconds = settled.ready_seconds
    deployment.release_command = list(settled.release_command)
    deployment.command = list(settled.command)
