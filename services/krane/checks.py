"""Checks of what comes from outside. Ids and digests become folder names only after they passed here."""

import re

from services.domain.errors import Invalid
from services.domain.settings import MAX_PORT, MAX_STOP_SECONDS, check_command
from services.krane.types import DeploymentSpec, TaskSpec

MAX_REPLICAS = 100
MAX_MEMORY_MIB = 1 << 24
MAX_TASK_SECONDS = 24 * 3600
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
# Of an instance, or of the deployment's task.
INSTANCE_ID = re.compile(rf"(?P<deployment_id>{ID.pattern})-(?:[0-9]{{1,3}}|release)")
REFERENCE = re.compile(r"(?P<kind>[a-z]+)@sha256:(?P<digest>[0-9a-f]{64})")
HEALTH_PATH = re.compile(r"/[!-~]{0,1023}")


def check_id(field: str, value: str) -> str:
    """Return an id as it is, or raise Invalid."""
    if not ID.fullmatch(value):
        raise Invalid(
            f"{field} {value[:80]!r} is not an id: use 1 to 63 letters, digits, '-' or '_', "
            "beginning with a letter or digit"
        )
    return value


def check_instance_id(deployment_id: str, value: str) -> str:
    """Return the id of an instance of that deployment as it is, or raise Invalid."""
    match = INSTANCE_ID.fullmatch(value)
    if match is None or match["deployment_id"] != deployment_id:
        raise Invalid(
            f"instance_id {value[:80]!r} is not an instance of {deployment_id}: use '{deployment_id}-<index>'"
        )
    return value


def check_reference(kind: str, value: str) -> str:
    """Return the hex digest of "<kind>@sha256:<hex>", or raise Invalid."""
    match = REFERENCE.fullmatch(value)
    if match is None or match["kind"] != kind:
        raise Invalid(f"{value[:120]!r} is not the name of a krane {kind}: use '{kind}@sha256:<64 hex digits>'")
    return match["digest"]


def check_health_path(path: str) -> str:
    """Return an absolute URL path as it is, or raise Invalid."""
    if not HEALTH_PATH.fullmatch(path):
        raise Invalid(
            f"health path {path[:80]!r} is not a path: begin with '/', without spaces, at most 1024 characters"
        )
    return path


def check_spec(spec: DeploymentSpec) -> None:
    """Raise Invalid when a spec cannot be run as it stands. What names an image is for its backend to say."""
    check_id("namespace", spec.namespace)
    check_id("deployment_id", spec.deployment_id)
    run = spec.run
    _check_range("replicas", run.replicas, 1, MAX_REPLICAS)
    _check_range("memory_mib", run.memory_mib, 1, MAX_MEMORY_MIB)
    _check_range("port", run.port, 0, MAX_PORT)
    _check_range("stop_seconds", run.stop_seconds, 0, MAX_STOP_SECONDS)
    if run.command:
        check_command("command", run.command)
    if run.health_path:
        check_health_path(run.health_path)


def check_task(spec: TaskSpec) -> None:
    """Raise Invalid when a command cannot be run as it stands. What names an image is for its backend to say."""
    check_id("namespace", spec.namespace)
    check_id("task_id", spec.task_id)
    _check_range("memory_mib", spec.run.memory_mib, 1, MAX_MEMORY_MIB)
    if not 0 < spec.timeout_seconds <= MAX_TASK_SECONDS:
        raise Invalid(f"timeout_seconds is {spec.timeout_seconds:g}: use more than 0 and at most {MAX_TASK_SECONDS}")
    check_command("release_command", spec.run.release_command)


def _check_range(field: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise Invalid(f"{field} is {value}: use {lowest} to {highest}")
