"""Builds one image. Run with `python -m` under a shim, so that it can be stopped at any moment.

Unpacks, plans, installs, builds, makes the result read-only, publishes it. A build that cannot succeed writes one
sentence into the failure file and exits with code 1.
"""

import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pydantic import TypeAdapter

from services.domain.errors import Invalid
from services.domain.plan import Language, Plan, Step, plan_lines
from services.files import write_atomically
from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.building.archive import unpack
from services.krane.backends.process.app_plan import STATIC_SERVER, plan_app
from services.krane.backends.process.artifacts import Artifact
from services.krane.backends.process.layers import Layer
from services.krane.backends.process.toolchain import Toolchain
from services.krane.backends.shared import static_server
from services.krane.backends.shared.files import make_read_only, remove_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What to build, as JSON."""

    archive: Path
    artifact: Artifact
    # File that gets the sentence on why the build cannot succeed.
    failure: Path
    max_source_bytes: int
    # Caches of package installers, and layers.
    cache: Path
    # krane's own PATH.
    search_path: str


BUILD_JOB = TypeAdapter(BuildJob)


def build(job: BuildJob) -> None:
    """Build the image, replacing what an interrupted build left. Raises Invalid if the source cannot be built."""
    artifact = job.artifact
    _say("unpacking the source")
    remove_tree(artifact.folder)
    unpack(job.archive, artifact.app, job.max_source_bytes)
    plan, config = plan_app(artifact.app)
    for line in plan_lines(plan):
        _say(f"  {line}")
    tools = Toolchain(artifact=artifact, variables=config.settings.environment, search_path=job.search_path)
    _install(job, plan, tools)
    for step in plan.build:
        _run(step, tools, "built")
    _prepare_start(artifact, plan, config, tools)
    tools.compile(artifact.app, artifact.venv / "lib")
    make_read_only(artifact.app)
    make_read_only(artifact.venv)
    artifact.publish(config)
    if config.settings.run.port:
        _say(f"port {config.settings.run.port} is for containers: a process finds its own port in PORT")
    _say(f"built {artifact.image}")


def _install(job: BuildJob, plan: Plan, tools: Toolchain) -> None:
    """Make the environments and install what the plan says, using a kept layer if there is one."""
    artifact = job.artifact
    is_of_node = plan.language.value == Language.NODE
    python = tools.make_environment(None if is_of_node else plan.version)
    odd = tools.check_node(plan.version) if is_of_node else ""
    if odd:
        _say(odd)
    kept = list(takewhile(lambda step: step.needs is not None, plan.install))
    folders = (artifact.app / "node_modules",) if is_of_node else (artifact.venv,)
    if kept:
        by = (python, tools.node_version if is_of_node else "", platform.platform())
        _install_kept(kept, Layer.of(job.cache, kept, artifact.app, by), folders, tools)
    for step in plan.install[len(kept) :]:
        _run(step, tools, "installed")


def _install_kept(steps: Sequence[Step], layer: Layer, folders: Sequence[Path], tools: Toolchain) -> None:
    if layer.restore(*folders):
        _say("used what an earlier build installed: the requirements have not changed")
        return
    for step in steps:
        _run(step, tools, "installed")
    tools.compile(*folders)
    layer.keep(*folders)


def _run(step: Step, tools: Toolchain, what: str) -> None:
    _say(f"installing {step.source}" if what == "installed" else f"running {shlex.join(step.arguments)}")
    code = tools.run(step)
    if code == 0:
        return
    if step.may_fail:
        _say(f"it ended with code {code}, and the build goes on: set [build] command to decide otherwise")
        return
    raise Invalid(f"{step.source} could not be {what} (exit code {code}): the build log says why")


def _prepare_start(artifact: Artifact, plan: Plan, config: AppConfig, tools: Toolchain) -> None:
    if plan.static:
        if not (artifact.app / plan.static.folder).is_dir():
            raise Invalid(
                f"there is no folder {plan.static.folder!r} to serve: "
                "set [static] folder in interlock.toml to the one that the build makes"
            )
        shutil.copyfile(static_server.__file__, artifact.folder / STATIC_SERVER)
    if config.command:
        tools.check_program(config.command)
    if plan.missing_start:
        _say(plan.missing_start)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(job_path: Path) -> int:
    """Build; returns the exit code."""
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
