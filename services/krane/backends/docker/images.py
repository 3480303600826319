"""Resolves image names, finds the image that a deployment runs, and reads what it says about its app."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.domain.errors import InterlockError, Invalid, PreconditionFailed, Refusal
from services.domain.images import DOCKER_HUB, registry_of
from services.krane.backends.building.app_config import APP_CONFIG, AppConfig, check_app_settings
from services.krane.backends.docker.credentials import registry_auth
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.shapes import ImageConfig, ImageDetails, Platform
from services.krane.types import HostCredential

DEFAULT_PORT = 8080
# Label of an image: its app's configuration as JSON. It holds the command, unless only a Dockerfile sets one.
APP_LABEL = "interlock.app"
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
NAME = re.compile(
    rf"(?P<repository>(?:{_REGISTRY}/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MAX_NAME = 400
# Not repositories, though they look like one: kinds of process references, and the prefix of a shortened image id.
NOT_REPOSITORIES = ("artifact", "source", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableImage:
    """An image that the engine has."""

    # "sha256:<hex>": the image that the name meant when it was resolved.
    id: str
    # The port that its command listens on in the container, unless a setting says otherwise.
    port: int
    app: AppConfig


async def resolve_image(engine: Engine, name: str, credential: HostCredential | None) -> str:
    """Resolve a name to "name@sha256:<digest>" by its registry, without a pull.

    The name of a local image that its registry never had resolves to the image's id. Raises like `find_image`.
    """
    asked = complete_name(name)
    details = await engine.inspect_image(asked)
    if IMAGE_ID.fullmatch(asked) and details is None:
        raise _not_here(name)
    if details is not None and not _is_of_registry(details, asked):
        await _check_machine(engine, name, [Platform(architecture=details.architecture, os=details.os)])
        return details.id
    found = await engine.ask_registry(asked, registry_auth=registry_auth(asked, credential))
    await _check_machine(engine, name, found.platforms or [])
    return f"{_repository(asked)}@{found.descriptor.digest}"


async def find_image(
    engine: Engine, name: str, credential: HostCredential | None = None, *, command: Sequence[str] = ()
) -> RunnableImage:
    """Return the image "name[:tag]", "name@sha256:<digest>" or "sha256:<id>"; pulls a name that the engine lacks.

    `command` is what will run; empty: the image's own command. Raises Invalid if the name is invalid,
    PreconditionFailed if the image cannot be pulled or run, Unavailable if its registry does not answer.
    """
    asked = complete_name(name)
    details = await engine.inspect_image(asked)
    if details is not None:
        return await _runnable(engine, name, details, command)
    details = await _pull(engine, asked, credential)
    try:
        return await _runnable(engine, name, details, command)
    except Refusal:
        # An unusable image is removed. Why it is unusable matters more than whether that succeeds.
        with contextlib.suppress(InterlockError):
            await engine.remove_image(asked)
        raise


async def _runnable(engine: Engine, name: str, details: ImageDetails, command: Sequence[str]) -> RunnableImage:
    config = details.config or ImageConfig()
    await _check_machine(engine, name, [Platform(architecture=details.architecture, os=details.os)])
    app = read_app_label(name, config.labels or {})
    if app.missing_start and not command:
        raise PreconditionFailed(app.missing_start)
    if not (command or app.command or config.cmd or config.entrypoint):
        raise PreconditionFailed(
            f"image {name} does not say what to run: give it a CMD or an ENTRYPOINT, or its deployment a command"
        )
    return RunnableImage(id=details.id, port=app.settings.run.port or _exposed_port(config), app=app)


def read_app_label(name: str, labels: Mapping[str, str]) -> AppConfig:
    """Return the app configuration in an image's labels. Raises PreconditionFailed if it cannot be read or used."""
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
    """Return a name with a tag; ids are unchanged. Raises Invalid if it is no image name."""
    if IMAGE_ID.fullmatch(name):
        return name
    match = NAME.fullmatch(name) if len(name) <= MAX_NAME else None
    if match is None or match["repository"] in NOT_REPOSITORIES:
        raise Invalid(f"{name[:120]!r} names no image of the Docker Engine: use name:tag, name@sha256:… or sha256:…")
    # Without a tag the engine would pull all tags.
    return name if match["tag"] or match["digest"] else f"{name}:latest"


async def _pull(engine: Engine, name: str, credential: HostCredential | None) -> ImageDetails:
    details = None
    if not IMAGE_ID.fullmatch(name):
        await engine.pull_image(name, registry_auth=registry_auth(name, credential))
        details = await engine.inspect_image(name)
    if details is None:
        raise _not_here(name)
    return details


def _not_here(name: str) -> PreconditionFailed:
    return PreconditionFailed(f"image {name} is not here: build it again, or name it by its registry")


async def _check_machine(engine: Engine, name: str, platforms: Sequence[Platform]) -> None:
    """Raise PreconditionFailed if platforms are given and none is the engine's."""
    machine = await engine.version()
    if platforms and not any(one.os == machine.os and one.architecture == machine.arch for one in platforms):
        made_for = ", ".join(sorted({one.architecture for one in platforms}))
        raise PreconditionFailed(f"image {name} was made for {made_for}, and this machine is {machine.arch}")


def _is_of_registry(details: ImageDetails, name: str) -> bool:
    """Return whether an image was pulled from, or pushed to, the repository of its name."""
    known = {_short(digest.partition("@")[0]) for digest in details.repo_digests or []}
    return not IMAGE_ID.fullmatch(name) and _short(_repository(name)) in known


def _repository(name: str) -> str:
    match = NAME.fullmatch(name)
    return match["repository"] if match else name


def _short(repository: str) -> str:
    """Return a repository as the engine prints it."""
    host, separator, path = repository.partition("/")
    if not separator or registry_of(repository) != DOCKER_HUB:
        return repository
    return (path if "." in host else repository).removeprefix("library/")


def _exposed_port(config: ImageConfig) -> int:
    exposed = [port.removesuffix("/tcp") for port in config.exposed_ports or {} if port.endswith("/tcp")]
    return int(exposed[0]) if len(exposed) == 1 and exposed[0].isdigit() else DEFAULT_PORT
