"""Makes the plan of a source from its files and the given settings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from services.domain.errors import Invalid
from services.domain.plan.files import SourceFiles
from services.domain.plan.interlock_toml import INTERLOCK_TOML, TomlSettings, read_interlock_toml
from services.domain.plan.model import Command, Language, Plan, PlanLine, ProcessLine, StaticFolder, Step
from services.domain.plan.node import NodeApp, is_node, node_app
from services.domain.plan.not_fetched import not_fetched
from services.domain.plan.procfile import PROCFILE, RELEASE, WEB, parse_procfile, shell_words
from services.domain.plan.python_packages import is_python, python_packages, python_version
from services.domain.plan.python_start import (
    add_servers,
    collect_static,
    django_manage,
    missing_framework,
    python_start,
)
from services.domain.plan.static_site import static_site
from services.domain.settings import RunSettings

DOCKERFILE = "Dockerfile"
_NODE_PROGRAMS = frozenset({"node", "npm", "npx", "pnpm", "yarn", "bun", "next", "nodemon", "tsx"})
_PYTHON_PROGRAMS = frozenset(
    {"python", "python3", "gunicorn", "uvicorn", "hypercorn", "daphne", "waitress-serve", "flask"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSettings:
    """Settings from outside of the source."""

    # "request" or "project".
    name: str
    settings: RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explicit:
    """What given settings, interlock.toml and the Procfile set explicitly; the rest is detected."""

    start: Command | None
    release: Command | None
    build: Step | None
    static: StaticFolder | None
    port: PlanLine | None
    health: PlanLine | None
    not_run: tuple[ProcessLine, ...]


def make_plan(files: SourceFiles, given: Sequence[GivenSettings] = (), *, builds_dockerfiles: bool = False) -> Plan:
    """Make the plan of a source; a setting comes from the first of `given` that has it, else from the source.

    Raises Invalid if a file of the source cannot be read or asks for something unsupported. A plan without a start
    command says in `missing_start` what to add.
    """
    plan = _plan(files, _explicit(files, given), builds_dockerfiles=builds_dockerfiles)
    return replace(plan, warnings=(*plan.warnings, *not_fetched(files)))


def _plan(files: SourceFiles, explicit: _Explicit, *, builds_dockerfiles: bool) -> Plan:
    has_dockerfile = DOCKERFILE in files.names
    if has_dockerfile and builds_dockerfiles:
        return _dockerfile_plan(files, explicit)
    plan = _detected(files, explicit)
    if not has_dockerfile:
        return plan
    if plan.start is None and plan.static is None:
        return replace(plan, missing_start=_dockerfile_refusal())
    return replace(
        plan, warnings=(*plan.warnings, "Dockerfile is not used: this backend runs processes, not containers")
    )


def _explicit(files: SourceFiles, given: Sequence[GivenSettings]) -> _Explicit:
    toml = read_interlock_toml(files)
    lines = {line.name: line for line in parse_procfile(files.text(PROCFILE))}
    return _Explicit(
        start=_command([(one.name, one.settings.command) for one in given], toml.command, lines.get(WEB)),
        release=_command(
            [(one.name, one.settings.release_command) for one in given], toml.release_command, lines.get(RELEASE)
        ),
        build=Step(arguments=toml.build_command, source=INTERLOCK_TOML) if toml.build_command else None,
        static=_static_folder(toml),
        port=_value([(one.name, one.settings.port) for one in given], toml.port),
        health=_value([(one.name, one.settings.health_path) for one in given], toml.health_path),
        not_run=tuple(line for line in lines.values() if line.name not in (WEB, RELEASE)),
    )


def _static_folder(toml: TomlSettings) -> StaticFolder | None:
    folder = toml.static_folder.strip("/").removeprefix("./")
    if ".." in folder.split("/"):
        raise Invalid(f"interlock.toml is not valid: static.folder {toml.static_folder!r} is outside of the source")
    return StaticFolder(folder=folder or ".", source=INTERLOCK_TOML) if toml.static_folder else None


def _command(
    outside: Iterable[tuple[str, tuple[str, ...] | None]], toml: tuple[str, ...], line: ProcessLine | None
) -> Command | None:
    for name, arguments in outside:
        if arguments is not None:
            # An empty command means: run none.
            return Command(arguments=arguments, source=name) if arguments else None
    if toml:
        return Command(arguments=toml, source=INTERLOCK_TOML)
    return Command(arguments=shell_words(line), source=PROCFILE) if line else None


def _value(outside: Iterable[tuple[str, object]], toml: object) -> PlanLine | None:
    for name, value in outside:
        if value is not None:
            return PlanLine(value=str(value), source=name)
    return PlanLine(value=str(toml), source=INTERLOCK_TOML) if toml else None


def _dockerfile_plan(files: SourceFiles, explicit: _Explicit) -> Plan:
    """Commands come from the Dockerfile, unless given settings or interlock.toml set them; a Procfile is ignored."""
    start, release = (
        command if command and command.source != PROCFILE else None for command in (explicit.start, explicit.release)
    )
    warnings = ("Procfile is not used: the Dockerfile says how the app is started",) if PROCFILE in files.names else ()
    return Plan(
        language=PlanLine(value=Language.DOCKERFILE, source=DOCKERFILE),
        start=start,
        release=release,
        port=explicit.port,
        health=explicit.health,
        warnings=warnings,
    )


def _detected(files: SourceFiles, explicit: _Explicit) -> Plan:
    if explicit.static and explicit.start is None and not is_node(files):
        return _static_plan(explicit, explicit.static)
    is_of_python, is_of_node = is_python(files), is_node(files)
    if not is_of_python and not is_of_node:
        is_of_python = bool(files.python_files())
    if is_of_python and is_of_node:
        is_of_node = _is_meant_for_node(files, explicit)
        is_of_python = not is_of_node
    if is_of_node:
        return _node_plan(files, explicit)
    if is_of_python:
        return _python_plan(files, explicit)
    if explicit.start is None and (folder := static_site(files)):
        return _static_plan(explicit, folder)
    return _other_plan(files, explicit)


def _is_meant_for_node(files: SourceFiles, explicit: _Explicit) -> bool:
    """Whether a source with both languages is a Node app: by its start command, else by what can be started."""
    words = _words(explicit.start)
    if not words.isdisjoint(_NODE_PROGRAMS):
        return True
    if not words.isdisjoint(_PYTHON_PROGRAMS):
        return False
    if python_start(files, python_packages(files)) is not None:
        return False
    app = node_app(files, explicit.build)
    return app.start is not None or app.static is not None


def _words(command: Command | None) -> set[str]:
    return (
        {word.rpartition("/")[2] for argument in command.arguments for word in argument.split()} if command else set()
    )


def _python_plan(files: SourceFiles, explicit: _Explicit) -> Plan:
    packages = python_packages(files)
    version, odd = python_version(files)
    start = explicit.start or python_start(files, packages)
    servers = add_servers(start, packages) if start else []
    collect = None if explicit.build else collect_static(files)
    warnings = [*odd, *packages.warnings]
    if unrequired := missing_framework(files, packages):
        warnings.append(unrequired)
    if django_manage(files) and explicit.release is None:
        warnings.append(
            "there is no release command, so migrations do not run: the usual one is python manage.py migrate"
        )
    return Plan(
        language=PlanLine(
            value=Language.PYTHON, source=packages.manager.source if packages.manager else _a_python_file(files)
        ),
        version=version,
        package_manager=packages.manager,
        install=(*packages.steps, *servers),
        build=tuple(step for step in (explicit.build, collect) if step),
        start=start,
        release=explicit.release,
        port=explicit.port,
        health=explicit.health,
        static=None if start else explicit.static,
        not_run=explicit.not_run,
        warnings=tuple(warnings),
        missing_start="" if start or explicit.static else _python_how_to(files),
    )


def _node_plan(files: SourceFiles, explicit: _Explicit) -> Plan:
    app = node_app(files, explicit.build)
    start = explicit.start or app.start
    static = None if explicit.start else explicit.static or app.static
    warnings = [*app.warnings, *_python_left_out(files), *_port_warnings(app, explicit)]
    return Plan(
        language=PlanLine(
            value=Language.NODE, source="package.json" if "package.json" in files.names else _source_of(start)
        ),
        version=app.version,
        package_manager=app.manager,
        install=app.install,
        build=app.build,
        start=None if static else start,
        release=explicit.release,
        port=explicit.port or app.port,
        health=explicit.health,
        static=static,
        not_run=explicit.not_run,
        warnings=tuple(warnings),
        missing_start="" if start or static else _node_how_to(),
    )


def _python_left_out(files: SourceFiles) -> Iterable[str]:
    if is_python(files):
        yield "the source is run as a Node app: its Python requirements are not installed"


def _port_warnings(app: NodeApp, explicit: _Explicit) -> Iterable[str]:
    if app.port and not explicit.port:
        yield (
            f"{app.port.source} listens on port {app.port.value} and ignores PORT, which works only in a container: "
            "read process.env.PORT there"
        )


def _static_plan(explicit: _Explicit, folder: StaticFolder) -> Plan:
    return Plan(
        language=PlanLine(value=Language.STATIC, source=folder.source),
        build=(explicit.build,) if explicit.build else (),
        release=explicit.release,
        port=explicit.port,
        health=explicit.health,
        static=folder,
        not_run=explicit.not_run,
    )


def _other_plan(files: SourceFiles, explicit: _Explicit) -> Plan:
    return Plan(
        language=PlanLine(value=Language.OTHER, source=explicit.start.source if explicit.start else "default"),
        build=(explicit.build,) if explicit.build else (),
        start=explicit.start,
        release=explicit.release,
        port=explicit.port,
        health=explicit.health,
        not_run=explicit.not_run,
        missing_start="" if explicit.start else how_to('["./run"]', "./run"),
    )


def how_to(toml: str, command: str, more: str = "") -> str:
    """What to add to a source without a start command: examples for interlock.toml and for a command line."""
    return (
        f"the source does not say how it is started: add a file interlock.toml with [start] command = {toml}, "
        f'a Procfile with a line "web: {command}"{more}, or deploy with --command {command!r}'
    )


def _python_how_to(files: SourceFiles) -> str:
    tops = [name for name in files.python_files() if "/" not in name and name != "setup.py"]
    script = tops[0] if len(tops) == 1 else "app.py"
    return how_to(f'["python", "{script}"]', f"python {script}")


def _node_how_to() -> str:
    return how_to('["node", "server.js"]', "node server.js", ', a "start" script in package.json')


def _dockerfile_refusal() -> str:
    return (
        "the source has only a Dockerfile, and the process backend does not build Dockerfiles: "
        "start interlock with INTERLOCK_KRANE__BACKEND=docker, or deploy with --command and the start command"
    )


def _a_python_file(files: SourceFiles) -> str:
    return next(iter(files.python_files()), "default")


def _source_of(command: Command | None) -> str:
    return command.source if command else "default"
