"""Writes the Dockerfile of a source that has none, from its plan.

Commands are lists of arguments, so that base images without a shell serve as well. Steps that need few files run before
the source is copied: then a change of the source alone does not install again. What is only said of the image comes
first, since the classic builder takes its time for each instruction that follows a change.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.domain.plan import Language, Plan, Version
from services.domain.plan.versions import node_intervals, python_satisfies
from services.krane.backends.building.app_config import AppConfig, planned_command, with_port
from services.krane.backends.docker.images import DEFAULT_PORT

# Where instances listen: krane publishes the port of a container on loopback.
HOST = "0.0.0.0"
STATIC_SERVER = "/interlock/static_server.py"
PYTHON_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
NODE_ENVIRONMENT = {"NODE_ENV": "production", "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0"}
# The environment that uv makes, since it leaves that of the base image alone.
_VENV = "/venv"
_REQUIREMENTS = ".interlock.requirements.txt"
# Files that pip does not install from.
_FOR_UV = frozenset({"pyproject.toml", "pylock.toml"})
_BY_COREPACK = frozenset({"pnpm", "yarn"})
_WRITE = "import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.parent.mkdir(exist_ok=True); f.write_text(sys.argv[2])"
# An image such as "python:3.11-slim", whose tag begins with the version.
_TAG = re.compile(r"(?P<name>.+:)(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.\d+)?(?P<rest>(?:-[A-Za-z0-9._-]+)?)")
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)?")
_PYTHON_MINORS = range(8, 21)
_NODE_MAJORS = range(12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImages:
    """What apps are put on."""

    python: str
    node: str


def start_command(plan: Plan) -> tuple[str, ...]:
    """The command that an image runs; empty if the plan has none, or leaves it to a Dockerfile."""
    command = planned_command(plan, STATIC_SERVER)
    return _by_corepack(command) if plan.language.value == Language.NODE else command


def write_dockerfile(plan: Plan, app: AppConfig, base: BaseImages, static_server: str) -> str:
    """The Dockerfile of a plan. `app` has the start command; `static_server` is the text of that program."""
    is_of_node = plan.language.value == Language.NODE
    steps = _node_steps(plan, app) if is_of_node else _python_steps(plan, app)
    python = f"FROM {python_base(base.python, None if is_of_node else plan.version)}"
    if not is_of_node:
        lines = [python, *_beginning(PYTHON_ENVIRONMENT, app), *_server(plan, static_server), *steps]
    elif not plan.static:
        lines = [f"FROM {node_base(base.node, plan.version)}", *_beginning(NODE_ENVIRONMENT, app), *steps]
    else:
        first = [f"FROM {node_base(base.node, plan.version)} AS build", "WORKDIR /app", _env(NODE_ENVIRONMENT), *steps]
        copy = f"COPY --from=build {json.dumps([f'/app/{plan.static.folder}/', f'./{plan.static.folder}/'])}"
        lines = [*first, python, *_beginning(PYTHON_ENVIRONMENT, app), *_server(plan, static_server), copy]
    return "\n".join(lines) + "\n"


def python_base(image: str, version: Version | None) -> str:
    """The base image in the version that is asked for, nearest to its own; unchanged if its tag says no version."""
    tag = _TAG.fullmatch(image)
    if version is None or tag is None or tag["minor"] is None:
        return image
    if _NUMBERS.fullmatch(version.request):
        return f"{tag['name']}{version.request}{tag['rest']}"
    able = [
        minor
        for minor in _PYTHON_MINORS
        if any(python_satisfies(version.request, f"3.{minor}.{patch}") for patch in range(100))
    ]
    return f"{tag['name']}3.{_nearest(able, int(tag['minor']))}{tag['rest']}" if able else image


def node_base(image: str, version: Version | None) -> str:
    """The same for Node, of which the first number counts."""
    tag = _TAG.fullmatch(image)
    intervals = node_intervals(version.request) if version else ()
    if tag is None or not intervals:
        return image
    able = [
        major
        for major in _NODE_MAJORS
        if any(low < (major + 1, 0, 0) and (high is None or high > (major, 0, 0)) for low, high in intervals)
    ]
    if not able or int(tag["major"]) in able:
        return image
    return f"{tag['name']}{_nearest(able, int(tag['major']))}{tag['rest']}"


def _nearest(numbers: Sequence[int], wanted: int) -> int:
    return min(numbers, key=lambda number: (abs(number - wanted), number))


def _python_steps(plan: Plan, app: AppConfig) -> list[str]:
    uses_uv = any(step.arguments[:2] == ("uv", "sync") or _FOR_UV.intersection(step.arguments) for step in plan.install)
    lines: list[str] = []
    if uses_uv:
        variables = {"PATH": f"{_VENV}/bin:$PATH", "VIRTUAL_ENV": _VENV, "UV_PROJECT_ENVIRONMENT": _VENV}
        lines = [
            _run("python", "-m", "pip", "install", "uv"),
            _run("uv", "venv", "--no-project", _VENV),
            _env({**variables, "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}),
        ]
    return [*lines, *_steps(plan, app, lambda arguments: arguments if uses_uv else _by_pip(arguments))]


def _node_steps(plan: Plan, app: AppConfig) -> list[str]:
    is_bun = plan.package_manager is not None and plan.package_manager.value == "bun"
    bun = [_run("npm", "install", "--global", "bun")] if is_bun else []
    return [*bun, *_steps(plan, app, _by_corepack)]


def _steps(plan: Plan, app: AppConfig, resolved: Callable[[tuple[str, ...]], tuple[str, ...]]) -> list[str]:
    """Copies the source, whole as late as it can be, and runs the steps."""
    lines: list[str] = []
    is_copied = False
    for step in plan.install:
        if step.needs is None and not is_copied:
            is_copied = True
            lines.append(_copy(".", "."))
        elif not is_copied:
            lines += _copy_files(step.needs or ())
        arguments = step.arguments
        if "-" in arguments:
            lines.append(_write(_REQUIREMENTS, step.input))
            arguments = tuple(_REQUIREMENTS if word == "-" else word for word in arguments)
        lines.append(_run(*resolved(arguments)))
    if not is_copied:
        lines.append(_copy(".", "."))
    variables = [f"{name}={value}" for name, value in app.settings.environment.items()]
    for step in plan.build:
        arguments = ("env", *variables, *resolved(step.arguments)) if variables else resolved(step.arguments)
        lines.append(_run("sh", "-c", '"$@" || true', "sh", *arguments) if step.may_fail else _run(*arguments))
    return lines


def _by_pip(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return ("python", "-m", "pip", *arguments[2:]) if arguments[:2] == ("uv", "pip") else arguments


def _by_corepack(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return ("corepack", *arguments) if arguments and arguments[0] in _BY_COREPACK else arguments


def _server(plan: Plan, text: str) -> list[str]:
    return [_write(STATIC_SERVER, text)] if plan.static else []


def _beginning(environment: Mapping[str, str], app: AppConfig) -> list[str]:
    port = str(app.settings.run.port or DEFAULT_PORT)
    command = [f"CMD {json.dumps(with_port(app.command, port))}"] if app.command else []
    return ["WORKDIR /app", _env({"HOST": HOST, "PORT": port, **environment}), f"EXPOSE {port}", *command]


def _copy_files(names: Iterable[str]) -> list[str]:
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    return [_copy(*files, f"./{folder}/" if folder else "./") for folder, files in folders.items()]


def _env(variables: Mapping[str, str]) -> str:
    return "ENV " + " ".join(f"{name}={value}" for name, value in variables.items())


def _copy(*paths: str) -> str:
    return f"COPY {json.dumps(paths)}"


def _write(path: str, text: str) -> str:
    return _run("python", "-c", _WRITE, path, text)


def _run(*arguments: str) -> str:
    return f"RUN {json.dumps(arguments)}"
