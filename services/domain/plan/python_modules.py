"""Finds the app object of a Python app in the text of its files. Nothing is imported or run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from services.domain.plan.files import SourceFiles


class Interface(StrEnum):
    """The interface between a server and an app."""

    WSGI = "wsgi"
    ASGI = "asgi"
    AIOHTTP = "aiohttp"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app object, or a function that makes one, in a module."""

    framework: str
    interface: Interface
    path: str
    # The folder that the module is imported from; "" = the top folder.
    root: str
    module: str
    name: str
    # Whether calling `name` makes the app.
    is_factory: bool = False


_WSGI = ("Flask", "APIFlask", "Dash", "Bottle")
_ASGI = ("FastAPI", "Starlette", "Litestar", "Quart")
_PACKAGES = {
    "Flask": "flask",
    "APIFlask": "apiflask",
    "Dash": "dash",
    "Bottle": "bottle",
    "FastAPI": "fastapi",
    "Starlette": "starlette",
    "Litestar": "litestar",
    "Quart": "quart",
    "aiohttp": "aiohttp",
}
_CLASSES = "|".join((*_WSGI, *_ASGI))
_VARIABLE = re.compile(
    rf"^(?P<name>[A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*(?P<class>{_CLASSES}|web\.Application)\(", re.MULTILINE
)
# Functions that make an app, as in "app = create_app()"; imports tell its framework.
# Likely names first: "get_app" is often that of a development server.
_FACTORY_NAMES = ("create_app", "init_app", "make_app", "build_app", "create_application", "get_application", "get_app")
_FACTORIES = "|".join(_FACTORY_NAMES)
_MADE = re.compile(rf"^(?P<name>app|application)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*(?:{_FACTORIES}|ASGIApp)\(", re.MULTILINE)
# An app of any framework.
_ANY = re.compile(r"^(?:async\s+def\s+|def\s+)?(?P<name>app|application)\s*(?::[^=\n]+=(?!=)|=(?!=)|\()", re.MULTILINE)
_IMPORTED = re.compile(r"^from\s+[\w.]+\s+import\s+.*\b(?P<name>app|application)\b", re.MULTILINE)
_FACTORY = re.compile(rf"^(?:async\s+)?def\s+(?P<name>{_FACTORIES})\((?P<parameters>[^)]*)\)", re.MULTILINE)
_IMPORT = re.compile(
    rf"^\s*(?:from|import)\s+(?P<package>{'|'.join((*_PACKAGES.values(), 'django', 'channels'))})\b", re.MULTILINE
)
_NOT_MODULES = frozenset(
    {"setup.py", "conftest.py", "manage.py", "settings.py", "noxfile.py", "tasks.py", "fabfile.py"}
)
# Module names, the likely ones first, to choose among modules of the same depth.
_LIKELY_NAMES = ("asgi", "wsgi", "main", "app", "application", "server", "api", "run", "web", "__init__")


def find_app(files: SourceFiles) -> App | None:
    """The app of the source; None if no file has an app of a known framework."""
    found = [app for path in _modules(files) for app in _apps(files, path)]
    return min(found, key=_rank, default=None)


def find_unknown_app(files: SourceFiles) -> tuple[str, str, str, str] | None:
    """The path, root, module and name of an object called app or application; None if there is none."""
    found = [
        (path, *place_of(files, path), match["name"])
        for path in _modules(files)
        if PurePosixPath(path).stem in _LIKELY_NAMES and (match := _ANY.search(files.text(path)))
    ]
    return min(
        found, key=lambda one: (one[0].count("/"), _LIKELY_NAMES.index(PurePosixPath(one[0]).stem)), default=None
    )


def package_of(framework: str) -> str:
    """The name of a framework's package."""
    return _PACKAGES[framework]


def imports(text: str, package: str) -> bool:
    """Whether a module imports a package."""
    return bool(re.search(rf"^\s*(?:from|import)\s+{re.escape(package)}\b", text, re.MULTILINE))


def place_of(files: SourceFiles, path: str) -> tuple[str, str]:
    """The folder that a module is imported from, and its dotted name there."""
    file = PurePosixPath(path)
    packages: list[str] = []
    folder = file.parent
    while folder.name and f"{folder}/__init__.py" in files.names:
        packages.insert(0, folder.name)
        folder = folder.parent
    stem = [] if file.name == "__init__.py" else [file.stem]
    if not packages and folder.name and _imports_from_its_folder(files.text(path), folder.name):
        # A folder without an __init__.py is a package if its modules import from it.
        packages, folder = [folder.name], folder.parent
    root = "" if str(folder) == "." else str(folder)
    return root, ".".join([*packages, *stem])


def _imports_from_its_folder(text: str, folder: str) -> bool:
    return bool(
        re.search(rf"^\s*(?:from\s+(?:\.|{re.escape(folder)}\b)|import\s+{re.escape(folder)}\b)", text, re.MULTILINE)
    )


def _modules(files: SourceFiles) -> list[str]:
    return [path for path in files.python_files() if PurePosixPath(path).name not in _NOT_MODULES]


def _apps(files: SourceFiles, path: str) -> Iterator[App]:
    text = files.text(path)
    if "." in PurePosixPath(path).stem or not text:
        return
    root, module = place_of(files, path)
    for match in _VARIABLE.finditer(text):
        framework = "aiohttp" if match["class"] == "web.Application" else match["class"]
        yield _app(framework, path, root, module, match["name"])
    framework = _imported_framework(text) or _framework_of_source(files)
    if not framework:
        return
    for match in (_MADE.search(text), _IMPORTED.search(text) if path.endswith(("wsgi.py", "asgi.py")) else None):
        if match:
            yield _app(framework, path, root, module, match["name"])
    for match in _FACTORY.finditer(text):
        if _imported_framework(text) and _needs_nothing(match["parameters"]):
            yield _app(framework, path, root, module, match["name"], is_factory=True)


def _app(framework: str, path: str, root: str, module: str, name: str, *, is_factory: bool = False) -> App:
    if framework == "aiohttp":
        interface = Interface.AIOHTTP
    else:
        interface = Interface.WSGI if framework in _WSGI else Interface.ASGI
    return App(
        framework=framework,
        interface=interface,
        path=path,
        root=root,
        module=module,
        name=name,
        is_factory=is_factory,
    )


def _imported_framework(text: str) -> str:
    """The framework that a module imports; a framework that builds on another one has precedence."""
    imported = {match["package"] for match in _IMPORT.finditer(text)}
    order = ("FastAPI", "Litestar", "Quart", "APIFlask", "Dash", "Flask", "Bottle", "Starlette", "aiohttp")
    return next((framework for framework in order if _PACKAGES[framework] in imported), "")


def _framework_of_source(files: SourceFiles) -> str:
    """The framework that the modules of the source import; empty if there are none or several."""
    found = {framework for path in _modules(files) if (framework := _imported_framework(files.text(path)))}
    return found.pop() if len(found) == 1 else ""


def _needs_nothing(parameters: str) -> bool:
    """Whether a function can be called without arguments."""
    named = [parameter.strip() for parameter in parameters.split(",") if parameter.strip()]
    return all("=" in parameter or parameter.startswith("*") for parameter in named)


def _rank(app: App) -> tuple[bool, int, int, int, str, str]:
    path = PurePosixPath(app.path)
    depth = len(path.parts) - (1 if path.name == "__init__.py" else 0)
    likely = _LIKELY_NAMES.index(path.stem) if path.stem in _LIKELY_NAMES else len(_LIKELY_NAMES)
    names = _FACTORY_NAMES if app.is_factory else ("app", "application")
    named = names.index(app.name) if app.name in names else len(names)
    return app.is_factory, depth, named, likely, app.path, app.name
