"""Check input from outside before it is used. All functions raise Invalid."""

import re
import unicodedata
from collections.abc import Mapping

from services.ctrl import defaults
from services.db.deployment_requests import DeploymentRequest
from services.db.deployment_settings import read_given
from services.db.views import DeploymentView
from services.domain.enforcement import not_enforced
from services.domain.errors import Invalid
from services.domain.git import GitSource, check_git
from services.domain.ids import check_id, check_slug
from services.domain.settings import RunSettings, check_settings, settings_from
from services.domain.variables import check_variables
from services.gen.ctrl.v1.control_pb2 import CreateDeploymentRequest, RedeployRequest
from services.gen.ctrl.v1.control_pb2 import RunSettings as RunSettingsMessage

MAX_MESSAGE = 1000
MAX_ACTOR = 64

_SOURCE = re.compile(r"source@sha256:[0-9a-f]{64}")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


def check_workspace(workspace: str) -> str:
    """Return the slug of a workspace; empty means the default one."""
    return check_slug("workspace", workspace or defaults.WORKSPACE)


def check_project(project: str) -> str:
    """Return the slug or id of a project."""
    return check_id("project", project)


def check_idempotency_key(key: str) -> str | None:
    """Return an idempotency key; None if it is empty."""
    if key and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Invalid("idempotency_key is not usable: send 1 to 255 printable ASCII characters without spaces")
    return key or None


def check_note(actor: str, reason: str, *, default_reason: str = "") -> str:
    """Join actor and reason to one text, such as "by alice: wrong branch"; empty if both are."""
    who = check_actor(actor)
    why = _check_text("reason", reason or default_reason)
    return ": ".join(part for part in (f"by {who}" if who else "", why) if part)


def check_actor(actor: str) -> str:
    """Return the actor; empty if none is given."""
    if len(actor) > MAX_ACTOR or _has_control(actor):
        raise Invalid(f"actor is not usable: send at most {MAX_ACTOR} characters without control characters")
    return actor


def check_limit(field: str, value: int, *, default: int, highest: int) -> int:
    """Return a count; zero means the default."""
    return _check_range(field, value, default=default, lowest=1, highest=highest)


def check_deployment(request: CreateDeploymentRequest) -> DeploymentRequest:
    """Convert a request to deploy, with defaults filled in."""
    if [bool(request.source), bool(request.image), request.HasField("git")].count(True) != 1:
        raise Invalid(
            "a deployment needs exactly one of source, image and git; upload a source, or name an image or a repository"
        )
    if request.HasField("key_auth_id"):
        check_id("key_auth_id", request.key_auth_id)
        raise not_enforced("key_auth_id", "leave it out, and check keys in the app")
    if request.is_dirty and not request.commit:
        raise Invalid("is_dirty says that the source differs from a commit: send that commit, or leave is_dirty out")
    git = _check_git(request) if request.HasField("git") else None
    return DeploymentRequest(
        workspace=check_workspace(request.workspace),
        project=check_project(request.project),
        environment=check_slug("environment", request.environment or defaults.ENVIRONMENT),
        source=_check_pattern("source", request.source, _SOURCE, "the id that UploadSource returned") or None,
        image=_check_pattern("image", request.image, _IMAGE, "an image reference of at most 255 characters") or None,
        git=git,
        branch=_check_branch(request.branch or (git.branch if git else "")),
        commit_sha=_check_pattern("commit", request.commit, _COMMIT, "7 to 64 lower-case hex digits")
        or (git.commit if git else ""),
        message=_check_text("message", request.message),
        is_dirty=request.is_dirty,
        settings=check_run_settings(request),
        variables=_check_variables(request.variables),
    )


def check_redeploy(request: RedeployRequest, earlier: DeploymentView) -> DeploymentRequest:
    """Convert a request to deploy again what an earlier deployment was made from."""
    row = earlier.deployment
    return DeploymentRequest(
        workspace=check_workspace(request.workspace),
        project=earlier.project.id,
        environment=earlier.environment.slug,
        source=row.source,
        image=row.asked_image,
        git=GitSource(url=row.git_url, ref=row.git_ref or "") if row.git_url else None,
        branch=row.branch,
        commit_sha=row.commit_sha,
        message=_check_text("message", request.message) or row.message,
        is_dirty=row.is_dirty,
        settings=read_given(row),
        uses_project_settings=False,
        variables=_check_variables(request.variables),
    )


def _check_git(request: CreateDeploymentRequest) -> GitSource:
    if request.commit:
        raise Invalid("a git source takes its commit from the ref: leave commit out, or send it as the ref")
    return check_git(request.git.url, request.git.ref)


def check_run_settings(said: CreateDeploymentRequest | RunSettingsMessage) -> RunSettings:
    """Return the settings of a message; empty fields are not set."""
    if said.no_release_command and said.release_command:
        raise Invalid("release_command and no_release_command contradict each other: send one of them")
    given = {field.name: value for field, value in said.ListFields()}
    settings = settings_from(given | ({"release_command": ()} if said.no_release_command else {}))
    check_settings(settings)
    return settings


def _check_variables(variables: Mapping[str, str]) -> dict[str, str]:
    check_variables(variables)
    return dict(variables)


def _check_pattern(field: str, value: str, pattern: re.Pattern[str], wanted: str) -> str:
    if value and not pattern.fullmatch(value):
        raise Invalid(f"{field} {value[:80]!r} is not usable: send {wanted}")
    return value


def _check_range(field: str, value: int, *, default: int, lowest: int, highest: int) -> int:
    if not lowest <= (value or default) <= highest:
        raise Invalid(f"{field} is {value}: use {lowest} to {highest}")
    return value or default


def _check_branch(branch: str) -> str:
    if len(branch) > 255 or _has_control(branch):
        raise Invalid(f"branch {branch[:80]!r} is not usable: send at most 255 characters without control characters")
    return branch


def _check_text(field: str, text: str) -> str:
    if len(text) > MAX_MESSAGE or _has_control(text.translate({10: None, 13: None, 9: None})):
        raise Invalid(
            f"{field} is not usable: send at most {MAX_MESSAGE} characters, without control characters except line "
            "breaks and tabs"
        )
    return text


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
