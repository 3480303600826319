"""Plans an app with a package.json: its package manager, build and start command."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.domain.plan.files import SourceFiles
from services.domain.plan.model import Command, PlanLine, StaticFolder, Step, Version
from services.domain.plan.tables import Table, read_json, table, text

PACKAGE = "package.json"
# Lock files and their package managers; of several lock files the first is used.
LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "yarn.lock": "yarn",
    "npm-shrinkwrap.json": "npm",
    "package-lock.json": "npm",
}
MANAGERS = ("npm", "pnpm", "yarn", "bun")
# Other files that package managers read: for registries, settings and patches.
_CONFIGURATION = (
    ".npmrc",
    ".pnpmfile.cjs",
    ".yarnrc",
    ".yarnrc.yml",
    "bunfig.toml",
    "pnpm-workspace.yaml",
)
_CONFIGURATION_FOLDERS = (".yarn/releases/", ".yarn/plugins/", ".yarn/patches/", "patches/")
# Version strings of packages that are folders or archives in the source.
_LOCAL = ("file:", "link:", "portal:", "workspace:", ".", "/", "~/")
# Scripts that package managers run when they install the requirements.
_HOOKS = frozenset({"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"})
# Start scripts that run a development server.
_DEVELOPMENT = re.compile(
    r"(?:^|[\s;&])(?:vite(?:\s+(?:dev|serve|preview))?(?=\s*$|\s+--)|react-scripts\s+start|ng\s+serve|astro\s+(?:dev|preview)"
    r"|vue-cli-service\s+serve|parcel(?!\s+build)|webpack(?:-dev-server|\s+serve)|gatsby\s+(?:develop|serve)"
    r"|docusaurus\s+(?:start|serve)|vitepress\s+(?:dev|preview))"
)
# Bundlers: their build command, default output folder, and configuration file without its suffix.
_BUNDLERS = (
    (re.compile(r"\bvite\s+build\b"), "dist", "vite.config"),
    (re.compile(r"\breact-scripts\s+build\b"), "build", ""),
    (re.compile(r"\bastro\s+build\b"), "dist", "astro.config"),
    (re.compile(r"\bvue-cli-service\s+build\b"), "dist", "vue.config"),
    (re.compile(r"\bgatsby\s+build\b"), "public", ""),
    (re.compile(r"\bdocusaurus\s+build\b"), "build", ""),
    (re.compile(r"\bparcel\s+build\b"), "dist", ""),
)
_OUT_DIR = re.compile(r"""\b(?:outDir|outputDir)\s*:\s*["'](?:\./)?(?P<folder>[\w./-]+)["']""")
_EXPORT = re.compile(r"""\boutput\s*:\s*["']export["']""")
_DIST_DIR = re.compile(r"""\bdistDir\s*:\s*["'](?:\./)?(?P<folder>[\w./-]+)["']""")
_SERVER_ADAPTER = re.compile(r"""\badapter\s*:|output\s*:\s*["'](?:server|hybrid)["']""")
_FILES = tuple(
    f"{folder}{name}"
    for folder in ("", "src/", "dist/")
    for name in (
        "server.js",
        "index.js",
        "app.js",
        "main.js",
        "server.mjs",
        "index.mjs",
        "app.mjs",
        "server.cjs",
        "index.cjs",
    )
)
_FIXED_PORT = re.compile(r"\.listen\(\s*(?P<port>[0-9]{2,5})\b")
_BUILDS = ("next", "nuxt", "@sveltejs/kit", "@remix-run/dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeApp:
    """The parts of the plan of an app with a package.json."""

    version: Version | None
    manager: PlanLine
    install: tuple[Step, ...]
    build: tuple[Step, ...]
    start: Command | None
    static: StaticFolder | None
    # The port that is hard-coded in the started file; None if there is none.
    port: PlanLine | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Package:
    content: Table
    files: SourceFiles

    @property
    def scripts(self) -> Table:
        return table(self.content, "scripts")

    def script(self, name: str) -> str:
        return text(self.scripts, name)

    @property
    def requirements(self) -> dict[str, object]:
        names = ("optionalDependencies", "devDependencies", "dependencies")
        return {key: value for name in names for key, value in table(self.content, name).items()}

    def config(self, stem: str) -> str:
        """The text of a configuration file with any suffix; empty if there is none."""
        return next((self.files.text(name) for name in sorted(self.files.texts) if name.startswith(f"{stem}.")), "")


def is_node(files: SourceFiles) -> bool:
    """Whether there is a package.json, or a top-level script with a usual name."""
    return PACKAGE in files.names or bool(files.first(_FILES[:9]))


def node_app(files: SourceFiles, build_command: Step | None) -> NodeApp:
    """Plan a Node app. Raises Invalid if package.json cannot be read."""
    package = _Package(content=read_json(files.text(PACKAGE), PACKAGE), files=files)
    manager, lock, warnings = _manager(package)
    build = (build_command,) if build_command else _build(package, manager.value)
    static = _static(package) if build else None
    start = None if static else _start(package, manager.value)
    return NodeApp(
        version=_version(package),
        manager=manager,
        install=_install(package, manager, lock, is_built=bool(build)),
        build=build,
        start=start,
        static=static,
        port=_fixed_port(files, start),
        warnings=tuple(warnings),
    )


def _manager(package: _Package) -> tuple[PlanLine, str, list[str]]:
    """The package manager, its lock file (empty: none), and warnings."""
    locks = [lock for lock in LOCKS if lock in package.files.names]
    named = text(package.content, "packageManager").partition("@")[0]
    if named in MANAGERS:
        manager = PlanLine(value=named, source=PACKAGE)
    elif locks:
        manager = PlanLine(value=LOCKS[locks[0]], source=locks[0])
    else:
        manager = PlanLine(value="npm", source=PACKAGE)
    own = [lock for lock in locks if LOCKS[lock] == manager.value]
    others = [lock for lock in locks if LOCKS[lock] != manager.value]
    warnings = [f"{lock} is not used: {manager.source} selects {manager.value}" for lock in others]
    if not own and package.requirements:
        warnings.append(
            f"there is no lock file of {manager.value}: the newest versions that {PACKAGE} allows are installed"
        )
    return manager, own[0] if own else "", warnings


def _install(package: _Package, manager: PlanLine, lock: str, *, is_built: bool) -> tuple[Step, ...]:
    if not package.requirements:
        return ()
    arguments = _install_command(package, manager.value, lock, is_built=is_built)
    needs = None if _needs_its_source(package) else _manifests(package.files, lock)
    return (Step(arguments=arguments, source=lock or PACKAGE, needs=needs),)


def _install_command(package: _Package, manager: str, lock: str, *, is_built: bool) -> tuple[str, ...]:
    """Development dependencies are installed only if there is a build, which often needs them."""
    match manager:
        case "pnpm":
            frozen = "--frozen-lockfile" if lock else "--no-frozen-lockfile"
            return ("pnpm", "install", frozen, *(() if is_built else ("--prod",)))
        case "yarn" if _is_modern_yarn(package):
            return ("yarn", "install", "--immutable" if lock else "--no-immutable")
        case "yarn":
            frozen = ("--frozen-lockfile",) if lock else ()
            return ("yarn", "install", *frozen, "--non-interactive", f"--production={str(not is_built).lower()}")
        case "bun":
            frozen = ("--frozen-lockfile",) if lock else ()
            return ("bun", "install", *frozen, *(() if is_built else ("--production",)))
        case _:
            kinds = "--include=dev" if is_built else "--omit=dev"
            return ("npm", "ci" if lock else "install", kinds, "--no-audit", "--no-fund")


def _is_modern_yarn(package: _Package) -> bool:
    """Whether the app uses Yarn 2 or later, whose options differ from those of Yarn 1."""
    named, _, version = text(package.content, "packageManager").partition("@")
    if named == "yarn" and version:
        return not version.startswith(("0.", "1."))
    return ".yarnrc.yml" in package.files.names or "__metadata:" in package.files.text("yarn.lock")


def _manifests(files: SourceFiles, lock: str) -> tuple[str, ...]:
    folders = [name for name in files.names if name.startswith(_CONFIGURATION_FOLDERS)]
    return tuple(
        sorted({PACKAGE, *([lock] if lock else []), *(n for n in _CONFIGURATION if n in files.names), *folders})
    )


def _needs_its_source(package: _Package) -> bool:
    """Whether installing the requirements also reads other files of the source."""
    is_local = any(isinstance(version, str) and version.startswith(_LOCAL) for version in package.requirements.values())
    is_workspace = "workspaces" in package.content or "pnpm-workspace.yaml" in package.files.names
    return is_local or is_workspace or not _HOOKS.isdisjoint(package.scripts)


def _build(package: _Package, manager: str) -> tuple[Step, ...]:
    if package.script("build"):
        return (Step(arguments=(manager, "run", "build"), source=PACKAGE),)
    if "next" in table(package.content, "dependencies"):
        return (Step(arguments=_tool(manager, "next", "build"), source=PACKAGE, note="Next.js app"),)
    return ()


def _tool(manager: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a program of an installed package."""
    runner = {"npm": ("npx", "--no-install"), "pnpm": ("pnpm", "exec"), "yarn": ("yarn",), "bun": ("bunx",)}[manager]
    return (*runner, *arguments)


def _static(package: _Package) -> StaticFolder | None:
    """The output folder of the build, if the app is a static site."""
    start, build = package.script("start"), package.script("build")
    if start and not _DEVELOPMENT.search(start):
        return None
    if "next" in package.requirements:
        config = package.config("next.config")
        if not _EXPORT.search(config):
            return None
        folder = _DIST_DIR.search(config)
        return StaticFolder(folder=folder["folder"] if folder else "out", source=PACKAGE)
    if any(name in package.requirements for name in _BUILDS) or package.script("serve:ssr"):
        return None
    if "angular.json" in package.files.names:
        return _angular(package)
    for bundler, usual, stem in _BUNDLERS:
        if bundler.search(build):
            config = package.config(stem) if stem else ""
            if stem == "astro.config" and _SERVER_ADAPTER.search(config):
                return None
            folder = _OUT_DIR.search(config)
            is_single_page = usual != "public" and stem != "astro.config" and "docusaurus" not in build
            chosen = folder["folder"].rstrip("/") if folder else usual
            return StaticFolder(folder=chosen, source=PACKAGE, is_single_page=is_single_page)
    return None


def _angular(package: _Package) -> StaticFolder | None:
    projects = table(read_json(package.files.text("angular.json"), "angular.json"), "projects")
    for name, project in sorted(projects.items()):
        options = table(project, "architect", "build", "options")
        if "server" in options or "ssr" in options:
            return None
        output = text(options, "outputPath") or f"dist/{name}"
        is_application = text(table(project, "architect", "build"), "builder").endswith(":application")
        folder = f"{output}/browser" if is_application else output
        return StaticFolder(folder=folder, source="angular.json", is_single_page=True)
    return None


def _start(package: _Package, manager: str) -> Command | None:
    start = package.script("start")
    if start:
        # npm comes with Node. Only Yarn 2 may store modules where just Yarn finds them.
        runner = "yarn" if manager == "yarn" and _is_modern_yarn(package) else "npm"
        return Command(arguments=("bun", "run", "start") if manager == "bun" else (runner, "start"), source=PACKAGE)
    if "next" in table(package.content, "dependencies"):
        arguments = _tool(manager, "next", "start", "--hostname", "$HOST", "--port", "$PORT")
        return Command(arguments=arguments, source=PACKAGE, note="Next.js app")
    main = text(package.content, "main").removeprefix("./")
    for name in (main, f"{main}.js", *_FILES):
        if name in package.files.names and PurePosixPath(name).suffix in (".js", ".mjs", ".cjs"):
            return Command(arguments=("node", name), source=PACKAGE if name.startswith(main or " ") else name)
    return None


def _version(package: _Package) -> Version | None:
    if request := text(table(package.content, "engines"), "node"):
        return Version(request=request, source=PACKAGE)
    for name in (".nvmrc", ".node-version"):
        if request := package.files.text(name).strip():
            return Version(request=request.splitlines()[0].strip(), source=name)
    if request := text(table(package.content, "volta"), "node"):
        return Version(request=request, source=PACKAGE)
    lines = package.files.text(".tool-versions").splitlines()
    request = next((line[7:].strip() for line in lines if line.startswith("nodejs ")), "")
    return Version(request=request, source=".tool-versions") if request else None


def _fixed_port(files: SourceFiles, start: Command | None) -> PlanLine | None:
    """The port number that is hard-coded in the started file; None if there is none."""
    for name in _started_files(files, start):
        if match := _FIXED_PORT.search(files.text(name)):
            return PlanLine(value=match["port"], source=name)
    return None


def _started_files(files: SourceFiles, start: Command | None) -> Iterable[str]:
    if start is None:
        return []
    words = list(start.arguments)
    if "start" in words[1:2]:
        script = text(table(read_json(files.text(PACKAGE), PACKAGE), "scripts"), "start")
        try:
            words = shlex.split(script)
        except ValueError:
            words = script.split()
    return [name for word in words if (name := word.removeprefix("./")) in files.texts]
