"""Writes a Dockerfile for a source without one: for Python or Node, depending on its files.

Commands are lists of arguments, so that base images without a shell work. Where possible, requirements are installed
before the source is copied, so that a change of the source alone does not install them again. Instructions that only
set properties of the image come before every COPY, since the classic builder runs all instructions after a change.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from services.domain.errors import Invalid
from services.krane.backends.building.app_config import AppConfig, with_port
from services.krane.backends.docker.building.source import PACKAGE, PYPROJECT, PYTHON_MODULES, REQUIREMENTS, Source
from services.krane.backends.docker.images import DEFAULT_PORT

HOW_TO = (
    "the source does not say how it is built and started: add a Dockerfile, "
    'a file interlock.toml with [start] command = ["python", "app.py"], a Procfile with a line "web: python app.py", '
    "or a package.json with a start script"
)
PYTHON_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
NODE_ENVIRONMENT = {"NODE_ENV": "production"}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Beginnings of npm versions that are folders or archives in the source.
_LOCAL = ("file:", "link:", ".", "/", "~/")
# Scripts of an app that npm runs when it installs requirements.
_HOOKS = frozenset({"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"})
# "app = FastAPI()" or "application: Application = ..." at the top of a module.
_APPLICATION = re.compile(r"^(?P<name>app|application)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImages:
    """The base images of apps."""

    python: str
    node: str


class _Package(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    scripts: dict[str, str] = {}
    dependencies: dict[str, str] = {}
    devDependencies: dict[str, str] = {}  # noqa: N815 -- npm's name
    workspaces: object = None


class _Project(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    dependencies: list[str] = []


class _Pyproject(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    project: _Project = _Project()


def start_command(source: Source, app: AppConfig) -> tuple[str, ...]:
    """Return the command that the app names or that its requirements imply; "$PORT" stands for its port.

    Raises Invalid with what to add or correct.
    """
    if app.command:
        return app.command
    return _node_start(source) if _is_node(source) else _python_start(source)


def write_dockerfile(source: Source, app: AppConfig, base: BaseImages) -> str:
    """Return a Dockerfile for a source with a known command. Raises Invalid with what to correct."""
    port = str(app.settings.run.port or DEFAULT_PORT)
    if _is_node(source):
        lines = [*_beginning(base.node, NODE_ENVIRONMENT, app.command, port), *_node_installation(source)]
    else:
        lines = [*_beginning(base.python, PYTHON_ENVIRONMENT, app.command, port), *_python_installation(source)]
    return "\n".join(lines) + "\n"


def _is_node(source: Source) -> bool:
    return PACKAGE in source.files and source.names.isdisjoint({REQUIREMENTS, PYPROJECT})


def _python_installation(source: Source) -> list[str]:
    install = ["python", "-m", "pip", "install"]
    if REQUIREMENTS in source.files:
        run = _run(*install, "-r", REQUIREMENTS)
        if _stands_alone(source.text(REQUIREMENTS)):
            return [_copy(REQUIREMENTS, "./"), run, _copy(".", ".")]
        return [_copy(".", "."), run]
    return [_copy(".", "."), *([_run(*install, ".")] if PYPROJECT in source.files else [])]


def _stands_alone(requirements: str) -> bool:
    """Return whether every line names a package, and none a file of the source."""
    lines = (line.strip() for line in requirements.splitlines())
    return all(
        line.startswith("#") or (_REQUIREMENT.match(line) and "/" not in line.partition("@")[0])
        for line in lines
        if line
    )


def _python_start(source: Source) -> tuple[str, ...]:
    """Return the start command of an app that names none, by the server among its requirements."""
    required = _python_requirements(source)
    if "uvicorn" in required:
        return ("python", "-m", "uvicorn", _application(source), "--host", "0.0.0.0", "--port", "$PORT")
    if "gunicorn" in required:
        return ("python", "-m", "gunicorn", "--bind", "0.0.0.0:$PORT", _application(source))
    raise Invalid(HOW_TO)


def _python_requirements(source: Source) -> set[str]:
    try:
        pyproject = _Pyproject.model_validate(tomllib.loads(source.text(PYPROJECT)))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise Invalid(f"{PYPROJECT} cannot be read: {error}") from error
    lines = [*source.text(REQUIREMENTS).splitlines(), *pyproject.project.dependencies]
    names = (_REQUIREMENT.match(line.strip()) for line in lines)
    return {name[0].lower() for name in names if name}


def _application(source: Source) -> str:
    """Return the app object as "<module>:<name>"."""
    for module in PYTHON_MODULES:
        if match := _APPLICATION.search(source.text(module)):
            return f"{module.removesuffix('.py')}:{match['name']}"
    raise Invalid(f"no file of {', '.join(PYTHON_MODULES)} has an 'app' or 'application'; {HOW_TO}")


def _node_start(source: Source) -> tuple[str, ...]:
    if "start" not in _package(source).scripts:
        raise Invalid(HOW_TO)
    return ("npm", "start")


def _package(source: Source) -> _Package:
    try:
        return _Package.model_validate_json(source.files[PACKAGE])
    except ValidationError as error:
        raise Invalid(f"{PACKAGE} cannot be read: {error.errors()[0]['msg']}") from error


def _node_installation(source: Source) -> list[str]:
    package = _package(source)
    build = [_run("npm", "run", "build")] if "build" in package.scripts else []
    return [*_node_requirements(source, package), *build]


def _node_requirements(source: Source, package: _Package) -> list[str]:
    """Return the instructions that install the requirements and copy the source."""
    if not package.dependencies and not package.devDependencies:
        return [_copy(".", ".")]
    # Build tools are often development dependencies.
    kinds = "--include=dev" if "build" in package.scripts else "--omit=dev"
    is_locked = "package-lock.json" in source.names
    install = _run("npm", "ci" if is_locked else "install", kinds, "--no-audit", "--no-fund")
    if not _needs_its_source(package):
        return [_copy(PACKAGE, *(["package-lock.json"] if is_locked else []), "./"), install, _copy(".", ".")]
    return [_copy(".", "."), install]


def _needs_its_source(package: _Package) -> bool:
    """Return whether npm reads other files of the source when it installs."""
    wanted = [*package.dependencies.values(), *package.devDependencies.values()]
    is_local = any(version.startswith(_LOCAL) for version in wanted)
    return is_local or package.workspaces is not None or not _HOOKS.isdisjoint(package.scripts)


def _beginning(base: str, environment: Mapping[str, str], command: Sequence[str], port: str) -> list[str]:
    variables = {"HOST": "0.0.0.0", "PORT": port, **environment}
    return [
        f"FROM {base}",
        "WORKDIR /app",
        "ENV " + " ".join(f"{name}={value}" for name, value in variables.items()),
        f"EXPOSE {port}",
        f"CMD {json.dumps(with_port(command, port))}",
    ]


def _copy(*paths: str) -> str:
    return f"COPY {json.dumps(paths)}"


def _run(*arguments: str) -> str:
    return f"RUN {json.dumps(arguments)}"
