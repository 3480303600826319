"""How an app of the process backend is started: it says so itself."""

from pathlib import Path

from services.domain.errors import Invalid
from services.krane.backends.building.app_config import FILES, AppConfig, parse_app_config

HOW_TO = (
    'add a file interlock.toml with [start] command = ["python", "app.py"], '
    'or a Procfile with a line "web: python app.py"'
)


def read_app_config(app: Path) -> AppConfig:
    """Read an app's folder. Raises Invalid saying what to add or correct."""
    config = parse_app_config({name: (app / name).read_bytes() for name in FILES if (app / name).is_file()})
    if not config.command:
        raise Invalid(f"the source does not say how it is started: {HOW_TO}")
    return config
