"""The tools that a build runs: this machine's interpreters and package managers, each checked before use."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.domain.errors import Invalid
from services.domain.plan import Step, Version
from services.domain.plan.versions import is_older, is_within, node_intervals, python_satisfies, triple
from services.krane.backends.process.artifacts import Artifact
from services.krane.backends.process.environment import SYSTEM_PATH

UV = Path(sys.executable).with_name("uv")
# Package managers that corepack, part of Node, runs in the version that package.json names.
_BY_COREPACK = frozenset({"pnpm", "yarn"})
# Minor versions of Python 3, newest first.
_MINORS = range(20, 7, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The tools of one build."""

    artifact: Artifact
    # The source's own variables, for the steps that run its programs.
    variables: Mapping[str, str]
    # krane's own PATH, where other versions of Python are found.
    search_path: str

    @property
    def path(self) -> str:
        """The PATH of the steps."""
        return f"{':'.join(map(str, self.artifact.program_folders))}:{UV.parent}:{SYSTEM_PATH}"

    def make_environment(self, version: Version | None) -> str:
        """Make the image's Python environment; returns its version. Raises Invalid if there is no such Python."""
        own = sys.version.split()[0]
        if version is None or python_satisfies(version.request, own):
            self._make(sys.executable)
            return own
        if (there := self._interpreter(version.request)) is not None:
            self._make(there)
        elif not UV.exists() or self._run(self._uv_venv("--managed-python", "--python", version.request)) != 0:
            raise Invalid(
                f"{version.source} asks for Python {version.request}, which is not on this machine (krane has {own}): "
                "install it, start interlock with UV_PYTHON_DOWNLOADS=automatic, or ask for another one"
            )
        return self._version_of(str(self.artifact.venv / "bin" / "python"))

    @property
    def node_version(self) -> str:
        """This machine's version of Node; empty if it has none."""
        return self._answer("node", "--version") if self._find("node") else ""

    def check_node(self, version: Version | None) -> str:
        """Return a warning on this machine's Node, empty if it is as requested. Raises Invalid if it is too old."""
        there = self.node_version
        if not there:
            raise Invalid("the source is for Node, which is not on this machine: install Node.js with npm")
        numbers, intervals = triple(there), node_intervals(version.request) if version else ()
        if version is None or numbers is None or is_within(numbers, intervals):
            return ""
        if is_older(numbers, intervals):
            raise Invalid(
                f"{version.source} asks for Node {version.request}, and this machine has {there}: "
                "install that, or ask for another one"
            )
        return f"{version.source} asks for Node {version.request}, but this machine has {there}: the build uses that"

    def run(self, step: Step) -> int:
        """Run a step, its output in the log; returns its exit code. Raises Invalid if its program does not exist."""
        return self._run(self._resolved(step), text=step.input)

    def compile(self, *folders: Path) -> None:
        """Compile Python files that are not compiled yet, with the Python that will run them."""
        script = Path(__file__).with_name("compile_missing.py")
        self._run((str(self.artifact.venv / "bin" / "python"), "-I", str(script), *map(str, folders)))

    def check_program(self, arguments: tuple[str, ...]) -> None:
        """Raise Invalid if the program does not exist, while the author still watches the build."""
        words = arguments[2].split() if arguments[:2] == ("sh", "-c") and arguments[2].startswith("exec ") else None
        program = words[1] if words and len(words) > 1 else arguments[0]
        if self._find(program) is None:
            raise Invalid(
                f"the start command names {program!r}, which does not exist: add it to requirements.txt, "
                "or name an executable file of the source with its path, such as ./run"
            )

    def _resolved(self, step: Step) -> tuple[str, ...]:
        program, *rest = step.arguments
        if program == "uv" and not UV.exists():
            if rest[0] != "pip":
                raise Invalid(f"{step.source} needs uv, which is not installed beside krane: install it")
            python = str(self.artifact.venv / "bin" / "python")
            return (
                sys.executable,
                "-m",
                "pip",
                "--python",
                python,
                *("/dev/stdin" if w == "-" else w for w in rest[1:]),
            )
        if self._find(program) is not None:
            return step.arguments
        if program in _BY_COREPACK and self._find("corepack") is not None:
            return ("corepack", *step.arguments)
        raise Invalid(f"{step.source} needs {program!r}, which is not on this machine: install it")

    def _interpreter(self, request: str) -> str | None:
        """Return a Python in krane's PATH; only programs with a fitting name are asked for their version."""
        for minor in _MINORS:
            if any(python_satisfies(request, f"3.{minor}.{patch}") for patch in range(100)):
                program = shutil.which(f"python3.{minor}", path=f"{self.search_path}:{SYSTEM_PATH}")
                if program and python_satisfies(request, self._version_of(program)):
                    return program
        return None

    def _version_of(self, python: str) -> str:
        return self._answer(python, "--version").removeprefix("Python ")

    def _make(self, python: str) -> None:
        if not UV.exists():
            done = self._run((python, "-m", "venv", str(self.artifact.venv)))
        else:
            done = self._run(self._uv_venv("--python", python))
        if done != 0:
            raise Invalid("the Python environment could not be made: the build log says why")

    def _uv_venv(self, *options: str) -> tuple[str, ...]:
        # With relocatable scripts the environment can be copied.
        return ("uv", "venv", "--quiet", "--relocatable", "--no-project", *options, str(self.artifact.venv))

    def _find(self, program: str) -> str | None:
        # A program with a slash is looked up from the working directory, as when it runs.
        if "/" in program:
            return shutil.which(self.artifact.app / program)
        return shutil.which(program, path=self.path)

    def _answer(self, *arguments: str) -> str:
        done = subprocess.run(arguments, env=self._environment(), capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip()

    def _run(self, arguments: tuple[str, ...], *, text: str = "") -> int:
        environment = self._environment()
        program = str(UV) if arguments[0] == "uv" else shutil.which(arguments[0], path=environment["PATH"])
        done = subprocess.run(
            (program or arguments[0], *arguments[1:]),
            cwd=self.artifact.app,
            env=environment,
            input=text.encode(),
            check=False,
        )
        return done.returncode

    def _environment(self) -> dict[str, str]:
        venv = str(self.artifact.venv)
        return {
            **self.variables,
            **os.environ,
            "PATH": self.path,
            "VIRTUAL_ENV": venv,
            "UV_PROJECT_ENVIRONMENT": venv,
            "NODE_ENV": "production",
            "CI": "1",
            "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
        }
