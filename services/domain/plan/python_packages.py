"""How the requirements of a Python app are installed.

The first of these files that exists is used: uv.lock, poetry.lock, Pipfile.lock, pylock.toml, requirements.txt,
pyproject.toml, Pipfile, setup.py. A lock is followed exactly. uv installs from all of them. If the project is not a
package, only its requirements are installed. Steps that need few files come first, so that their results can be reused
while these files stay the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.domain.errors import Invalid
from services.domain.plan.files import SourceFiles
from services.domain.plan.model import PlanLine, Step, Version
from services.domain.plan.python_locks import (
    normalised,
    pipfile_lock_requirements,
    pipfile_requirements,
    poetry_lock_requirements,
    poetry_requirements,
)
from services.domain.plan.tables import Table, read_json, read_toml, table, text, texts
from services.domain.plan.versions import python_request, python_specifier

UV_LOCK = "uv.lock"
POETRY_LOCK = "poetry.lock"
PIPFILE = "Pipfile"
PIPFILE_LOCK = "Pipfile.lock"
PYLOCK = "pylock.toml"
REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
SETUP = "setup.py"
# The first that exists is used.
MANIFESTS = (UV_LOCK, POETRY_LOCK, PIPFILE_LOCK, PYLOCK, REQUIREMENTS, PYPROJECT, PIPFILE, SETUP)
# Unsupported locks, and how to make a requirements.txt from them.
UNSUPPORTED_LOCKS = {
    "pdm.lock": "pdm export -o requirements.txt",
    "conda-lock.yml": "conda list --export, and write a requirements.txt",
}

INSTALL = ("uv", "pip", "install")
# Installs exactly the packages of a lock.
LOCKED = (*INSTALL, "--no-deps", "-r", "-")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRAS = re.compile(r"\[([^\]]*)\]")
_INCLUDED = re.compile(r"(?:-r|--requirement|-c|--constraint)[\s=]*(?P<file>\S+)")
_SETUP_REQUIREMENTS = re.compile(r"install_requires\s*=\s*\[(?P<list>[^\]]*)\]", re.DOTALL)
_QUOTED = re.compile(r"""["']([^"'\n]+)["']""")
# Matches a lock with packages from folders of the source, other than the project itself.
_LOCAL_IN_UV_LOCK = re.compile(
    r'source = \{ (?:(?:editable|directory|path|virtual) = "(?!\.")|registry = "(?![a-z]+://))'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPackages:
    """The requirements of a Python app, and the steps that install them."""

    manager: PlanLine | None
    steps: tuple[Step, ...]
    # Normalised names of its direct requirements, and "name[extra]" for each extra of them.
    required: frozenset[str]
    # Whether the project itself is installed, with its scripts.
    is_installed: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    """pyproject.toml."""

    content: Table
    files: SourceFiles

    @property
    def project(self) -> Table:
        return table(self.content, "project")

    @property
    def poetry(self) -> Table:
        return table(self.content, "tool", "poetry")

    @property
    def poetry_dependencies(self) -> Table:
        return table(self.poetry, "dependencies")

    @property
    def has_dependencies(self) -> bool:
        return bool(self.project) or bool(self.poetry_dependencies)

    @property
    def has_dynamic_dependencies(self) -> bool:
        return "dependencies" in texts(self.project, "dynamic")

    @property
    def is_package(self) -> bool:
        """Whether the project can be installed: it says so, or it has the layout of a package."""
        uv = table(self.content, "tool", "uv")
        if uv.get("package") is not None:
            return uv["package"] is True
        if self.poetry and self.poetry.get("package-mode") is False:
            return False
        if self.poetry and _is_built_by_poetry(self.content) and "packages" not in self.poetry:
            return self._has_folder_of_its_name()
        if table(self.content, "build-system"):
            return True
        is_named = bool(self.project) or bool(self.poetry)
        has_scripts = bool(table(self.project, "scripts"))
        return is_named and (has_scripts or self.files.has_folder("src") or SETUP in self.files.names)

    def _has_folder_of_its_name(self) -> bool:
        name = (text(self.project, "name") or text(self.poetry, "name")).replace("-", "_").lower()
        places = (name, f"src/{name}")
        return any(self.files.has_folder(place) or f"{place}.py" in self.files.names for place in places)


def python_packages(files: SourceFiles) -> PythonPackages:
    """The steps that install the requirements. Raises Invalid for a lock that is not supported."""
    project = _Project(content=read_toml(files.text(PYPROJECT), PYPROJECT), files=files)
    manifest = next((name for name in MANIFESTS if _is_usable(name, project)), "")
    unsupported = files.first(UNSUPPORTED_LOCKS)
    if unsupported and manifest in ("", PYPROJECT, SETUP):
        raise Invalid(f"{unsupported} is not supported: write a requirements.txt with {UNSUPPORTED_LOCKS[unsupported]}")
    steps, manager, is_installed = _steps(manifest, project)
    return PythonPackages(
        manager=PlanLine(value=manager, source=manifest) if manager else None,
        steps=tuple(steps),
        required=frozenset(_required(manifest, project)),
        is_installed=is_installed,
        warnings=tuple(_warnings(manifest, files)),
    )


def python_version(files: SourceFiles) -> tuple[Version | None, tuple[str, ...]]:
    """The version that a source asks for (None: any), and warnings."""
    asked: list[Version] = []
    for name in (".python-version", "runtime.txt", ".tool-versions"):
        content = files.text(name)
        if name == ".tool-versions":
            content = next((line[7:] for line in content.splitlines() if line.startswith("python ")), "")
        if not content.strip():
            continue
        request = python_request(content)
        if not request:
            raise Invalid(f"{name} does not name a Python version: write for example 3.12")
        asked.append(Version(request=request, source=name))
    if not asked:
        return _constraint(files), ()
    differing = [other for other in asked[1:] if other.request != asked[0].request]
    return asked[0], tuple(
        f"{other.source} asks for Python {other.request}, which is not used: {asked[0].source} has precedence"
        for other in differing
    )


def is_python(files: SourceFiles) -> bool:
    """Whether the source has Python requirements, or a Python file in its top folder."""
    project = _Project(content=read_toml(files.text(PYPROJECT), PYPROJECT), files=files)
    has_requirements = any(_is_usable(name, project) for name in MANIFESTS) or not files.names.isdisjoint(
        UNSUPPORTED_LOCKS
    )
    return (
        has_requirements
        or any(name.endswith(".py") and "/" not in name for name in files.names)
        or "manage.py" in files.names
    )


def _is_usable(manifest: str, project: _Project) -> bool:
    names = project.files.names
    if manifest == PYPROJECT:
        return PYPROJECT in names and (project.has_dependencies or project.is_package)
    return manifest in names


def _constraint(files: SourceFiles) -> Version | None:
    content = read_toml(files.text(PYPROJECT), PYPROJECT)
    if request := text(table(content, "project"), "requires-python"):
        return Version(request=request.replace(" ", ""), source=PYPROJECT)
    if request := python_specifier(text(table(content, "tool", "poetry", "dependencies"), "python")):
        return Version(request=request, source=PYPROJECT)
    requires = table(read_toml(files.text(PIPFILE), PIPFILE), "requires")
    if request := text(requires, "python_full_version") or text(requires, "python_version"):
        return Version(request=request, source=PIPFILE)
    return None


def _steps(manifest: str, project: _Project) -> tuple[list[Step], str, bool]:
    """The steps, the name of the package manager, and whether the project is installed."""
    files = project.files
    match manifest:
        case "uv.lock":
            return _uv_steps(project), "uv", project.is_package
        case "poetry.lock":
            return [_poetry_lock_step(project), *_itself(project)], "poetry", project.is_package
        case "Pipfile.lock":
            lines = pipfile_lock_requirements(read_json(files.text(PIPFILE_LOCK), PIPFILE_LOCK))
            return [_generated_step(lines, PIPFILE_LOCK, LOCKED)], "pipenv", False
        case "pylock.toml":
            return [Step(arguments=(*INSTALL, "-r", PYLOCK), source=PYLOCK, needs=(PYLOCK,))], "uv", False
        case "requirements.txt":
            return [_requirements_step(files)], "uv", False
        case "pyproject.toml":
            return _pyproject_steps(project)
        case "Pipfile":
            lines = pipfile_requirements(table(read_toml(files.text(PIPFILE), PIPFILE), "packages"))
            return [_generated_step(lines, PIPFILE, (*INSTALL, "-r", "-"))] if lines else [], "pipenv", False
        case "setup.py":
            return [Step(arguments=(*INSTALL, "."), source=SETUP)], "uv", True
        case _:
            return [], "", False


def _uv_steps(project: _Project) -> list[Step]:
    files = project.files
    if PYPROJECT not in files.names:
        raise Invalid("the source has a uv.lock, but no pyproject.toml: add it, or remove uv.lock")
    is_workspace = bool(table(project.content, "tool", "uv", "workspace"))
    is_local = is_workspace or bool(_LOCAL_IN_UV_LOCK.search(files.text(UV_LOCK)))
    needs = None if is_local else _present(files, PYPROJECT, UV_LOCK)
    sync = ("uv", "sync", "--frozen", "--no-dev")
    steps = [Step(arguments=(*sync, "--no-install-project"), source=UV_LOCK, needs=needs)]
    if project.is_package:
        steps.append(Step(arguments=(*sync, "--no-editable"), source=PYPROJECT, note="the project itself"))
    return steps


def _poetry_lock_step(project: _Project) -> Step:
    lock = read_toml(project.files.text(POETRY_LOCK), POETRY_LOCK)
    return _generated_step(poetry_lock_requirements(lock, _wanted_by_pyproject(project)), POETRY_LOCK, LOCKED)


def _generated_step(lines: list[str], source: str, arguments: tuple[str, ...]) -> Step:
    """A step that installs these lines, which were converted from the file of another tool."""
    is_local = any(line.startswith("./") for line in lines)
    content = "".join(f"{line}\n" for line in lines)
    return Step(arguments=arguments, source=source, needs=None if is_local else (source,), input=content)


def _itself(project: _Project) -> list[Step]:
    if not project.is_package:
        return []
    return [Step(arguments=(*INSTALL, "--no-deps", "."), source=PYPROJECT, note="the project itself")]


def _pyproject_steps(project: _Project) -> tuple[list[Step], str, bool]:
    uses_poetry = bool(project.poetry_dependencies) and not project.project
    if uses_poetry and not project.is_package:
        lines = poetry_requirements(project.poetry_dependencies)
        return [_generated_step(lines, PYPROJECT, (*INSTALL, "-r", "-"))] if lines else [], "poetry", False
    if project.is_package and (uses_poetry or project.has_dynamic_dependencies or not project.project):
        return [Step(arguments=(*INSTALL, "."), source=PYPROJECT)], "uv", True
    needs = (PYPROJECT, *_local_files(project))
    required = Step(arguments=(*INSTALL, "-r", PYPROJECT), source=PYPROJECT, needs=needs)
    return [required, *_itself(project)], "uv", project.is_package


def _local_files(project: _Project) -> list[str]:
    """The files of the source that uv installs from, by its settings: wheels, and packages in folders."""
    settings = table(project.content, "tool", "uv")
    sources = [text(table(source), "path") for source in table(settings, "sources").values()]
    paths = [path.removeprefix("./").rstrip("/") for path in (*texts(settings, "find-links"), *sources)]
    return sorted(name for name in project.files.names for path in paths if f"{name}/".startswith(f"{path}/") and path)


def _requirements_step(files: SourceFiles) -> Step:
    read = _requirement_files(files)
    lines = [line for name in read for line in _lines(files.text(name))]
    is_local = any(_is_local(line) for line in lines) or not {*read} <= files.texts.keys()
    return Step(arguments=(*INSTALL, "-r", REQUIREMENTS), source=REQUIREMENTS, needs=None if is_local else tuple(read))


def _requirement_files(files: SourceFiles) -> list[str]:
    """requirements.txt and all files that it includes."""
    read: list[str] = []
    waiting = [REQUIREMENTS]
    while waiting:
        name = waiting.pop(0)
        if name in read:
            continue
        read.append(name)
        folder = name.rpartition("/")[0]
        included = (_INCLUDED.match(line) for line in _lines(files.text(name)))
        waiting += [f"{folder}/{match['file']}".replace("/./", "/").lstrip("./") for match in included if match]
    return read


def _lines(content: str) -> list[str]:
    lines = (line.strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _is_local(line: str) -> bool:
    """Whether a requirement is a file or folder in the source."""
    if line.startswith("-"):
        return line.startswith(("-e", "--editable", "-f", "--find-links"))
    return (
        "/" in line.partition("@")[0].partition("#")[0].partition(";")[0] or "@ file:" in line or line.startswith(".")
    )


def _required(manifest: str, project: _Project) -> Iterable[str]:
    """Normalised names of the direct requirements; with a lock, they are in the file that it was made from."""
    files = project.files
    entries: list[str] = []
    if manifest in (REQUIREMENTS, PYLOCK):
        entries += [line for name in _requirement_files(files) for line in _lines(files.text(name))]
    if manifest in (UV_LOCK, POETRY_LOCK, PYPROJECT, PYLOCK):
        entries += _wanted_by_pyproject(project)
    if manifest in (PIPFILE, PIPFILE_LOCK):
        packages = table(read_toml(files.text(PIPFILE), PIPFILE), "packages")
        locked = table(read_json(files.text(PIPFILE_LOCK), PIPFILE_LOCK), "default")
        entries += [_with_extras(name, value) for name, value in {**locked, **packages}.items()]
    if manifest in (SETUP, PYPROJECT):
        listed = _SETUP_REQUIREMENTS.search(files.text(SETUP))
        entries += _QUOTED.findall(listed["list"]) if listed else []
    for entry in entries:
        if match := _NAME.match(entry):
            name = normalised(match[0])
            yield name
            if extras := _EXTRAS.match(entry[match.end() :].strip()):
                yield from (f"{name}[{extra.strip()}]" for extra in extras[1].split(","))


def _wanted_by_pyproject(project: _Project) -> list[str]:
    poetry = [(name, value) for name, value in project.poetry_dependencies.items() if name != "python"]
    wanted = [_with_extras(name, value) for name, value in poetry if table(value).get("optional") is not True]
    return [*texts(project.project, "dependencies"), *wanted]


def _with_extras(name: str, value: object) -> str:
    extras = texts(table(value), "extras")
    return f"{name}[{','.join(extras)}]" if extras else name


def _warnings(manifest: str, files: SourceFiles) -> Iterable[str]:
    rest = [name for name in MANIFESTS[: MANIFESTS.index(PYPROJECT)] if name in files.names and name != manifest]
    for name in rest:
        yield f"{name} is not used: {manifest} has precedence"
    if not manifest:
        for name in ("environment.yml", "environment.yaml"):
            if name in files.names:
                yield f"{name} is not used: list the requirements of the app in requirements.txt"


def _present(files: SourceFiles, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in files.names)


def _is_built_by_poetry(content: Table) -> bool:
    return text(table(content, "build-system"), "build-backend").startswith("poetry.")
