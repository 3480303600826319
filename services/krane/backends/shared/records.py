"""Reads krane's records of deployments and tasks in the shape of every version.

krane compares specs to recognize a repeated create, so a record of an older krane must read as the same spec.
"""

from typing import Any, Final, cast

from pydantic import BeforeValidator

from services.domain.settings import SETTING_NAMES

# Fields of an older docker record that are now in `of_image`.
_OF_IMAGE = ("health_path", "stop_seconds", "command")


def fold(stored: object) -> object:
    """Return a record or a spec in the shape of this version. A current one is returned unchanged."""
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
    """Move the settings, which were fields of the spec, into `run`."""
    spec["health_path"] = spec.pop("health_check", {}).get("path", "")
    if "task_id" in spec:
        spec["release_command"] = spec.pop("command")
    run = {name: spec.pop(name) for name in SETTING_NAMES if name in spec}
    return {**spec, "run": run}


def _name_by_host(credential: object) -> object:
    """Return a credential whose host may be in an older field."""
    if not isinstance(credential, dict) or "registry" not in credential:
        return cast(object, credential)
    kept = dict(cast(dict[str, object], credential))
    return {"host": kept.pop("registry"), **kept}


FOLDED: Final = BeforeValidator(fold)
NAMED_BY_HOST: Final = BeforeValidator(_name_by_host)
