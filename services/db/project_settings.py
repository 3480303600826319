"""The settings of a project. A new deployment copies them."""

from collections.abc import Iterable

from pydantic import TypeAdapter

from services.db.tables import Project
from services.domain.errors import NotFound
from services.domain.settings import RunSettings

_SETTINGS = TypeAdapter(RunSettings)


def read_settings(project: Project) -> RunSettings:
    """Return the settings of a project."""
    return _SETTINGS.validate_python(project.settings)


def change_settings(project: Project, settings: RunSettings) -> None:
    """Add or replace the settings that are set; others stay."""
    project.settings = {**project.settings, **_SETTINGS.dump_python(settings, mode="json", exclude_none=True)}


def remove_settings(project: Project, names: Iterable[str]) -> None:
    """Remove settings from a project; raises NotFound if one is not set."""
    left = dict(project.settings)
    for name in names:
        if left.pop(name, None) is None:
            raise NotFound(f"setting {name} is not set for project {project.slug!r}; see `interlock config ls`")
    project.settings = left
