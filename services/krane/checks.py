"""Checks of krane beyond the rules of the domain. Ids and digests are checked before they become folder names."""

import re
from collections.abc import Collection

from services.domain.errors import Invalid
from services.domain.ids import ID, check_id
from services.domain.settings import check_command, check_effective
from services.krane.types import RELEASE, DeploymentSpec, TaskSpec

MAX_TASK_SECONDS = 24 * 3600
# Letters only, so that the name of a task's log is never the id of an instance.
TASK_NAME = re.compile(r"[a-z]{1,32}")
# Of an instance, or of the deployment's release command.
INSTANCE_ID = re.compile(rf"(?P<deployment_id>{ID.pattern})-(?:[0-9]{{1,3}}|{RELEASE})")
REFERENCE = re.compile(r"(?P<kind>[a-z]+)@sha256:(?P<digest>[0-9a-f]{64})")


def check_instance_id(deployment_id: str, value: str, logged: Collection[str]) -> str:
    """Return the id if it is that of an instance of this deployment, or of one of its logs; else raise Invalid."""
    match = INSTANCE_ID.fullmatch(value)
    if value not in logged and (match is None or match["deployment_id"] != deployment_id):
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


def check_spec(spec: DeploymentSpec) -> None:
    """Raise Invalid if a spec is not valid. The backend checks the image."""
    check_id("namespace", spec.namespace)
    check_id("deployment_id", spec.deployment_id)
    check_effective(spec.run)
    _check_scope(spec)


def check_task(spec: TaskSpec) -> None:
    """Raise Invalid if a task is not valid. The backend checks the image."""
    check_id("namespace", spec.namespace)
    check_id("task_id", spec.task_id)
    if TASK_NAME.fullmatch(spec.name) is None:
        raise Invalid(f"name {spec.name[:80]!r} is not usable for a task: use 1 to 32 lower-case letters")
    check_effective(spec.run)
    check_command("release_command", spec.run.release_command)
    _check_scope(spec)
    if not 0 < spec.timeout_seconds <= MAX_TASK_SECONDS:
        raise Invalid(f"timeout_seconds is {spec.timeout_seconds:g}: use more than 0 and at most {MAX_TASK_SECONDS}")


def _check_scope(spec: DeploymentSpec | TaskSpec) -> None:
    if spec.run.volumes or spec.volume_scope:
        check_id("volume_scope", spec.volume_scope)
