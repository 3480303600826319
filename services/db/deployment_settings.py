"""What a deployment is run with: what it was given when it was recorded, and what that was settled to."""

from pydantic import TypeAdapter

from services.db.tables import Deployment
from services.domain.settings import SETTING_NAMES, RunSettings, Settled

_SETTINGS = TypeAdapter(RunSettings)
_SETTLED = TypeAdapter(Settled)


def write_given(deployment: Deployment, given: RunSettings) -> None:
    """Keep what request and project say."""
    deployment.given_settings = _SETTINGS.dump_python(given, mode="json", exclude_none=True)


def read_given(deployment: Deployment) -> RunSettings:
    """What request and project said."""
    return _SETTINGS.validate_python(deployment.given_settings)


def write_settled(deployment: Deployment, settled: Settled) -> None:
    """Run it with these."""
    for name, value in _SETTLED.dump_python(settled, mode="json").items():
        setattr(deployment, name, value)


def read_settled(deployment: Deployment) -> Settled:
    """What it is run with."""
    return _SETTLED.validate_python({name: getattr(deployment, name) for name in SETTING_NAMES})
