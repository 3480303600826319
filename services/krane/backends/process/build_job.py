"""The work of one build, run by `python -m` under a shim so that it can be stopped at any moment.

Unpack, read how the app is started, install what it requires, make the result read-only, publish. A build that cannot
succeed leaves one sentence in the failure file and exits with code 1.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from services.domain.errors import Invalid
from services.files import write_atomically
from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.building.archive import unpack
from services.krane.backends.process.artifacts import Artifact
from services.krane.backends.process.environment import SYSTEM_PATH
from services.krane.backends.process.start_command import read_app_config
from services.krane.backends.shared.files import make_read_only, remove_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What to build; handed over as JSON."""

    archive: Path
    artifact: Artifact
    # Gets the sentence on why the build cannot succeed.
    failure: Path
    max_source_bytes: int


BUILD_JOB = TypeAdapter(BuildJob)


def build(job: BuildJob) -> None:
    """Make the image, replacing what an interrupted build left. Raises Invalid when the source cannot be built."""
    artifact = job.artifact
    _say("unpacking the source")
    remove_tree(artifact.folder)
    unpack(job.archive, artifact.app, job.max_source_bytes)
    config = read_app_config(artifact.app)
    venv.create(artifact.venv, symlinks=True)
    _install_requirements(artifact)
    _check_command(artifact, config)
    compileall.compile_dir(artifact.folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    make_read_only(artifact.app)
    make_read_only(artifact.venv)
    artifact.publish(config)
    if config.settings.run.port:
        _say(f"port {config.settings.run.port} is for containers: here each instance finds a port of its own in PORT")
    _say(f"built {artifact.image}")


def _install_requirements(artifact: Artifact) -> None:
    if (artifact.app / "requirements.txt").is_file():
        _install(artifact, "requirements.txt", "-r", "requirements.txt")
    elif (artifact.app / "pyproject.toml").is_file():
        _install(artifact, "pyproject.toml", ".")


def _install(artifact: Artifact, what: str, *arguments: str) -> None:
    _say(f"installing {what}")
    python = str(artifact.venv / "bin" / "python")
    uv = Path(sys.executable).with_name("uv")
    installer = [str(uv), "pip", "install", "--python", python]
    if not uv.exists():
        installer = [sys.executable, "-m", "pip", "--python", python, "install"]
    done = subprocess.run([*installer, *arguments], cwd=artifact.app, check=False)
    if done.returncode != 0:
        raise Invalid(f"{what} could not be installed (exit code {done.returncode}): the build log says why")


def _check_command(artifact: Artifact, config: AppConfig) -> None:
    """Refuse what could not be run, while its author is looking."""
    program = config.command[0]
    # A program with a slash in its name is looked up from the working directory, as it will be when it runs.
    os.chdir(artifact.app)
    if shutil.which(program, path=f"{artifact.venv / 'bin'}:{SYSTEM_PATH}") is None:
        raise Invalid(
            f"the start command names {program!r}, which is not there: add it to requirements.txt, "
            "or name an executable file of the source with its path, such as ./run"
        )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(job_path: Path) -> int:
    """Build, and say on the way out whether it worked."""
    job = BUILD_JOB.validate_json(job_path.read_bytes())
    try:
        build(job)
    except Invalid as error:
        _say(f"build failed: {error.message}")
        write_atomically(job.failure, error.message.encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
