"""Detects the start command of a Python app.

The first of these is used: Django, an app of a framework (FastAPI, Flask, Starlette, Litestar, Quart, aiohttp), a
Streamlit or Gradio script, a file such as main.py, a package for `python -m`, the script of pyproject.toml.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from services.domain.plan.files import SourceFiles
from services.domain.plan.model import Command, Step
from services.domain.plan.python_locks import normalised
from services.domain.plan.python_modules import (
    App,
    Interface,
    find_app,
    find_unknown_app,
    imports,
    package_of,
)
from services.domain.plan.python_packages import INSTALL, PYPROJECT, PythonPackages
from services.domain.plan.tables import read_toml, table, text

# Programs of servers, and their packages.
SERVERS = {
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "hypercorn": "hypercorn",
    "daphne": "daphne",
    "waitress-serve": "waitress",
    "waitress": "waitress",
}
# Packages that require a server, if they are installed with an extra.
_INCLUDED_IN = {
    "uvicorn": (
        "fastapi[all]",
        "fastapi[standard]",
        "fastapi[standard-no-fastapi-cloud-cli]",
        "litestar[standard]",
        "starlette[full]",
    ),
}
_PLAIN = (
    "main.py",
    "app.py",
    "server.py",
    "run.py",
    "start.py",
    "wsgi.py",
    "application.py",
    "web.py",
    "bot.py",
    "hello.py",
)
_STREAMLIT = ("streamlit_app.py", "app.py", "main.py", "Home.py", "Hello.py", "home.py", "hello.py")
_IS_DJANGO = re.compile(r"DJANGO_SETTINGS_MODULE|django\.core\.management")
_SETTINGS_MODULE = re.compile(r"""DJANGO_SETTINGS_MODULE["'\s,=]+["'](?P<module>[\w.]+)["']""")
_DJANGO_APP = r"""^\s*{}\s*=\s*["'](?P<module>[\w.]+)\.(?P<name>\w+)["']"""
_STATIC_ROOT = re.compile(r"^\s*STATIC_ROOT\s*=", re.MULTILINE)


def python_start(files: SourceFiles, packages: PythonPackages) -> Command | None:
    """The start command of the app; None if it cannot be detected."""
    required = packages.required
    if manage := django_manage(files):
        return _django(files, manage, required)
    if app := find_app(files):
        return _framework(app, required)
    return (
        _streamlit(files)
        or _gradio(files)
        or _unknown_app(files, required)
        or _plain(files)
        or _package(files)
        or (_script(files) if packages.is_installed else None)
    )


def django_manage(files: SourceFiles) -> str:
    """The path of a Django project's manage.py; empty if there is none."""
    found = [name for name in files.python_files() if PurePosixPath(name).name == "manage.py"]
    return next((name for name in found if _IS_DJANGO.search(files.text(name))), "")


def collect_static(files: SourceFiles) -> Step | None:
    """The step that collects the static files of a Django project; None if it has no STATIC_ROOT."""
    manage = django_manage(files)
    settings = next((name for name in _settings(files, manage) if _STATIC_ROOT.search(files.text(name))), "")
    if not manage or not settings:
        return None
    arguments = ("python", manage, "collectstatic", "--noinput")
    return Step(arguments=arguments, source=settings, note="Django has a STATIC_ROOT", may_fail=True)


def add_servers(command: Command, packages: PythonPackages) -> list[Step]:
    """Steps that install the servers that a command runs, if they are not among the requirements."""
    return [
        Step(
            arguments=(*INSTALL, server),
            source=command.source,
            note=f"{server} is not among the requirements: add the line {server!r} to choose its version",
            needs=(),
        )
        for server in _servers_of(command.arguments)
        if not _is_required(server, packages.required)
    ]


def _servers_of(arguments: tuple[str, ...]) -> list[str]:
    """The packages of the servers that a command runs."""
    words = arguments[2].split() if arguments[:2] == ("sh", "-c") and len(arguments) > 2 else list(arguments)
    servers = [SERVERS[word] for word in words if word in SERVERS]
    if "gunicorn" in servers and any("uvicorn.workers" in word for word in words):
        servers.append("uvicorn")
    return list(dict.fromkeys(servers))


def _is_required(package: str, required: Collection[str]) -> bool:
    return package in required or any(other in required for other in _INCLUDED_IN.get(package, ()))


def _django(files: SourceFiles, manage: str, required: Collection[str]) -> Command | None:
    root = manage.rpartition("/")[0]
    has_only_uvicorn = _is_required("uvicorn", required) and "gunicorn" not in required
    is_asynchronous = has_only_uvicorn or not {"daphne", "channels"}.isdisjoint(required)
    kinds = ("ASGI", "WSGI") if is_asynchronous else ("WSGI", "ASGI")
    for kind in kinds:
        if found := _django_app(files, manage, kind):
            module, name = found
            if kind == "WSGI":
                return _wsgi(f"{module}:{name}", root, manage, "Django", required)
            return _asgi(f"{module}:{name}", root, manage, "Django", required)
    return None


def _django_app(files: SourceFiles, manage: str, kind: str) -> tuple[str, str] | None:
    """The module and name of the app of one kind: from the settings, else where startproject puts it."""
    root = manage.rpartition("/")[0]
    setting = re.compile(_DJANGO_APP.format(f"{kind}_APPLICATION"), re.MULTILINE)
    for name in _settings(files, manage):
        if match := setting.search(files.text(name)):
            return match["module"], match["name"]
    file = f"{kind.lower()}.py"
    for name in files.python_files():
        path = PurePosixPath(name)
        if path.name == file and name.startswith(f"{root}/" if root else ""):
            inner = path.relative_to(root) if root else path
            return ".".join([*inner.parent.parts, inner.stem]), "application"
    return None


def _settings(files: SourceFiles, manage: str) -> list[str]:
    """The settings files of a Django project; the first is the one that manage.py names."""
    root = manage.rpartition("/")[0]
    prefix = f"{root}/" if root else ""
    match = _SETTINGS_MODULE.search(files.text(manage))
    named = f"{prefix}{match['module'].replace('.', '/')}.py" if match else ""
    others = [
        name
        for name in files.python_files()
        if name.startswith(prefix) and (name.endswith("/settings.py") or "/settings/" in name) and name != named
    ]
    return [*([named] if named in files.names else []), *others]


def _framework(app: App, required: Collection[str]) -> Command:
    target = f"{app.module}:{app.name}"
    match app.interface:
        case Interface.WSGI:
            return _wsgi(f"{target}()" if app.is_factory else target, app.root, app.path, app.framework, required)
        case Interface.ASGI:
            return _asgi(target, app.root, app.path, app.framework, required, is_factory=app.is_factory)
        case Interface.AIOHTTP:
            arguments = ("--bind", "$HOST:$PORT", "--worker-class", "aiohttp.GunicornWebWorker", target)
            return _command("gunicorn", arguments, app.root, app.path, app.framework)


def _wsgi(target: str, root: str, source: str, framework: str, required: Collection[str]) -> Command:
    if "waitress" in required and "gunicorn" not in required:
        is_factory = target.endswith("()")
        call = ("--call",) if is_factory else ()
        arguments = ("--listen=$HOST:$PORT", *call, target.removesuffix("()"))
        return _command("waitress", arguments, root, source, framework)
    return _command("gunicorn", ("--bind", "$HOST:$PORT", target), root, source, framework)


def _asgi(
    target: str, root: str, source: str, framework: str, required: Collection[str], *, is_factory: bool = False
) -> Command:
    if not _is_required("uvicorn", required):
        if "hypercorn" in required:
            called = f"{target}()" if is_factory else target
            return _command("hypercorn", ("--bind", "$HOST:$PORT", called), root, source, framework)
        if "daphne" in required and not is_factory:
            return _command("daphne", ("--bind", "$HOST", "--port", "$PORT", target), root, source, framework)
    factory = ("--factory",) if is_factory else ()
    return _command("uvicorn", (*factory, target, "--host", "$HOST", "--port", "$PORT"), root, source, framework)


def _command(server: str, arguments: Iterable[str], root: str, source: str, framework: str) -> Command:
    path = ("env", f"PYTHONPATH={root}") if root else ()
    note = f"{framework} app, served by {server}"
    return Command(arguments=(*path, "python", "-m", server, *arguments), source=source, note=note)


def _streamlit(files: SourceFiles) -> Command | None:
    script = _script_that_imports(files, "streamlit", _STREAMLIT, "set_page_config")
    if not script:
        return None
    options = ("--server.address", "$HOST", "--server.port", "$PORT", "--server.headless", "true")
    return Command(
        arguments=("python", "-m", "streamlit", "run", script, *options), source=script, note="Streamlit script"
    )


def _gradio(files: SourceFiles) -> Command | None:
    script = _script_that_imports(files, "gradio", _PLAIN, ".launch(")
    if not script:
        return None
    environment = ("env", "GRADIO_SERVER_NAME=$HOST", "GRADIO_SERVER_PORT=$PORT")
    return Command(arguments=(*environment, "python", script), source=script, note="Gradio script")


def _script_that_imports(files: SourceFiles, package: str, usual: Iterable[str], call: str) -> str:
    """A top-level file that imports a package: one with a usual name, else one with this call, else the only one."""
    found = [name for name in files.python_files() if "/" not in name and imports(files.text(name), package)]
    calling = [name for name in found if call in files.text(name)]
    named = [name for name in usual if name in found]
    return next(iter([*named, *calling, *(found if len(found) == 1 else [])]), "")


def _unknown_app(files: SourceFiles, required: Collection[str]) -> Command | None:
    """An object called app, whose interface is that of the required server."""
    found = find_unknown_app(files)
    if found is None:
        return None
    path, root, module, name = found
    if _is_required("uvicorn", required):
        return _asgi(f"{module}:{name}", root, path, "ASGI", required)
    if "gunicorn" in required or "waitress" in required:
        return _wsgi(f"{module}:{name}", root, path, "WSGI", required)
    return None


def _plain(files: SourceFiles) -> Command | None:
    script = files.first(_PLAIN)
    return Command(arguments=("python", script), source=script) if script else None


def _package(files: SourceFiles) -> Command | None:
    """A package with a __main__.py."""
    for name in files.python_files():
        path = PurePosixPath(name)
        if path.name != "__main__.py" or len(path.parts) < 2:
            continue
        root = str(path.parent.parent)
        environment = () if root == "." else ("env", f"PYTHONPATH={root}")
        return Command(arguments=(*environment, "python", "-m", path.parent.name), source=name)
    return None


def _script(files: SourceFiles) -> Command | None:
    """The script of pyproject.toml: the only one, or the one with the name of the project."""
    content = read_toml(files.text(PYPROJECT), PYPROJECT)
    project = table(content, "project")
    scripts = list(table(project, "scripts") or table(content, "tool", "poetry", "scripts"))
    own = normalised(text(project, "name") or text(table(content, "tool", "poetry"), "name"))
    chosen = scripts if len(scripts) == 1 else [script for script in scripts if normalised(script) == own]
    if not chosen:
        return None
    return Command(arguments=(chosen[0],), source=PYPROJECT, note="script of the project")


def missing_framework(files: SourceFiles, packages: PythonPackages) -> str:
    """A warning if the app imports a framework and the source has no requirements; otherwise empty."""
    app = find_app(files)
    if app is None or packages.manager is not None:
        return ""
    package = package_of(app.framework)
    return (
        f"{app.path} imports {package}, but there are no requirements: add a requirements.txt with the line {package!r}"
    )
