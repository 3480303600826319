"""The settings of a deployment: those that request and project set, and those it is run with."""

from pydantic import TypeAdapter

from services.db.tables import Deployment
from services.domain.settings import EffectiveSettings, RunSettings

_SETTINGS = TypeAdapter(RunSettings)
_EFFECTIVE = TypeAdapter(EffectiveSettings)


def write_given(deployment: Deployment, given: RunSettings) -> None:
    """Store the settings of request and project."""
    deployment.given_settings = _SETTINGS.dump_python(given, mode="json", exclude_none=True)


def read_given(deployment: Deployment) -> RunSettings:
    """Return the settings of request and project."""
    return _SETTINGS.validate_python(deployment.given_settings)


def write_effective(deployment: Deployment, settings: EffectiveSettings) -> None:
    """Store the settings that the deployment is run with."""
    deployment.run = _EFFECTIVE.dump_python(settings, mode="json")


def read_effective(deployment: Deployment) -> EffectiveSettings:
    """Return the settings that the deployment is run with."""
    return _EFFECTIVE.validate_python(deployment.run)
