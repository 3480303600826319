"""Which image a deployment runs, and what that image says about itself."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from services.domain.errors import InterlockError, Invalid, PreconditionFailed, Refusal
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import ImageConfig, ImageDetails
from services.krane.backends.shared.app_config import APP_CONFIG, AppConfig, check_app_settings

DEFAULT_PORT = 8080
# On an image: what its source says of itself, as JSON. Its command is there only when krane wrote the Dockerfile.
APP_LABEL = "interlock.app"
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
NAME = re.compile(
    rf"(?P<repository>(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MAX_NAME = 400
# What would read as a repository: the kinds of the process backend's references, and an image id that is cut short.
NOT_REPOSITORIES = ("artifact", "source", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableImage:
    """An image that the engine has."""

    # "sha256:<hex>": what a name meant when it was looked up.
    id: str
    # Where its command listens in the container, unless that is said otherwise.
    port: int
    app: AppConfig


async def find_image(engine: Engine, name: str) -> RunnableImage:
    """Look an image up by "name[:tag]", "name@sha256:<digest>" or "sha256:<id>", and pull a name that is not here.

    Raises Invalid for what names no image, PreconditionFailed when it cannot be had or run, Unavailable when its
    registry does not answer.
    """
    asked = complete_name(name)
    details = await engine.inspect_image(asked)
    if details is not None:
        return await _runnable(engine, name, details)
    details = await _pull(engine, asked)
    try:
        return await _runnable(engine, name, details)
    except Refusal:
        # Nobody has a use for it. What was wrong with it matters more than whether it is gone.
        with contextlib.suppress(InterlockError):
            await engine.remove_image(asked)
        raise


async def _runnable(engine: Engine, name: str, details: ImageDetails) -> RunnableImage:
    config = details.config or ImageConfig()
    machine = (await engine.version()).arch
    if details.architecture != machine:
        raise PreconditionFailed(f"image {name} was made for {details.architecture}, and this machine is {machine}")
    if not config.cmd and not config.entrypoint:
        raise PreconditionFailed(f"image {name} does not say what to run: give it a CMD or an ENTRYPOINT")
    app = read_app_label(name, config.labels or {})
    return RunnableImage(id=details.id, port=app.settings.run.port or _exposed_port(config), app=app)


def read_app_label(name: str, labels: Mapping[str, str]) -> AppConfig:
    """What the labels of an image say of its app. Raises PreconditionFailed when it cannot be read or used."""
    label = labels.get(APP_LABEL)
    if label is None:
        return AppConfig(command=())
    try:
        app = APP_CONFIG.validate_json(label)
        check_app_settings(app.settings)
    except (ValidationError, Invalid) as error:
        raise PreconditionFailed(f"image {name} has a label {APP_LABEL} that cannot be used: remove it") from error
    return app


def complete_name(name: str) -> str:
    """A name with its tag, or an id as it is. Raises Invalid for what names no image."""
    if IMAGE_ID.fullmatch(name):
        return name
    match = NAME.fullmatch(name) if len(name) <= MAX_NAME else None
    if match is None or match["repository"] in NOT_REPOSITORIES:
        raise Invalid(f"{name[:120]!r} names no image of the Docker Engine: use name:tag, name@sha256:… or sha256:…")
    # Without a tag the engine would pull all that there are.
    return name if match["tag"] or match["digest"] else f"{name}:latest"


async def _pull(engine: Engine, name: str) -> ImageDetails:
    details = None
    if not IMAGE_ID.fullmatch(name):
        await engine.pull_image(name)
        details = await engine.inspect_image(name)
    if details is None:
        raise PreconditionFailed(f"image {name} is not here: build it again, or name it by its registry")
    return details


def _exposed_port(config: ImageConfig) -> int:
    exposed = [port.removesuffix("/tcp") for port in config.exposed_ports or {} if port.endswith("/tcp")]
    return int(exposed[0]) if len(exposed) == 1 and exposed[0].isdigit() else DEFAULT_PORT
