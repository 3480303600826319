"""Records that krane keeps of deployments and tasks, as every version wrote them.

The same spec again is the same deployment, also when an older krane wrote down the first one.
"""

from typing import Any, Final, cast

from pydantic import BeforeValidator

from services.domain.settings import SETTING_NAMES

# What a docker deployment kept of its image, each in a field of its own.
_OF_IMAGE = ("health_path", "stop_seconds", "command")


def fold(stored: object) -> object:
    """Return a record, or a spec, in the shape of this version. One that is in this shape stays as it is."""
    if not isinstance(stored, dict):
        return stored
    record = dict(cast(dict[str, Any], stored))
    if "spec" in record:
        record["spec"] = fold(record["spec"])
        if "container_port" in record and "of_image" not in record:
            kept = {name: record.pop(name) for name in _OF_IMAGE if name in record}
            record["of_image"] = {name: value for name, value in kept.items() if value}
        return record
    return record if "run" in record else _fold_spec(record)


def _fold_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Gather the settings, each of which was a field of the spec."""
    spec["health_path"] = spec.pop("health_check", {}).get("path", "")
    if "task_id" in spec:
        spec["release_command"] = spec.pop("command")
    run = {name: spec.pop(name) for name in SETTING_NAMES if name in spec}
    return {**spec, "run": run}


FOLDED: Final = BeforeValidator(fold)
