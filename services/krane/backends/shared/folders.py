"""Where krane keeps its state, and the lock that lets only one krane use it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from services.files import hold_lock

# A krane that was asked to stop has ended by then.
HOLD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Folders:
    """The layout of <data_dir>/krane. Callers pass only checked ids and digests."""

    root: Path

    @classmethod
    def under(cls, data_dir: Path) -> "Folders":
        """Return the layout of one installation."""
        return cls(data_dir.resolve() / "krane")

    @property
    def deployments(self) -> Path:
        """One folder per deployment that is not deleted."""
        return self.root / "deployments"

    @property
    def tasks(self) -> Path:
        """One folder per task that is not deleted."""
        return self.root / "tasks"

    @property
    def builds(self) -> Path:
        """One folder per build."""
        return self.root / "builds"

    @property
    def sources(self) -> Path:
        """Uploaded archives, by digest."""
        return self.root / "sources"

    @property
    def artifacts(self) -> Path:
        """Images, by digest."""
        return self.root / "artifacts"

    @property
    def known_hosts(self) -> Path:
        """The host keys of known git servers, in ssh's format."""
        return self.root / "known_hosts"

    @property
    def cache(self) -> Path:
        """What package installers downloaded."""
        return self.root / "cache"

    def instance(self, deployment_id: str, index: int) -> Path:
        """The private folder of one instance."""
        return self.deployments / deployment_id / "instances" / str(index)

    def task_run(self, task_id: str) -> Path:
        """The private folder of a running task; removed when the task has ended."""
        return self.tasks / task_id / "run"

    def volumes(self, namespace: str, scope: str) -> Path:
        """One folder per volume of the process backend."""
        return self.root / "volumes" / namespace / scope

    def logs(self, namespace: str, deployment_id: str) -> Path:
        """The logs of a deployment's instances and task; kept when the deployment is deleted."""
        return self.root / "logs" / namespace / deployment_id

    def fetch(self, build_id: str) -> Path:
        """The folder into which a build's source is fetched."""
        return self.builds / build_id / "fetch"

    def build_log(self, build_id: str) -> Path:
        """The log of a build."""
        return self.builds / build_id / "log"

    def commands(self) -> list[Path]:
        """Return every folder in which a shim may run."""
        builds = (*self.builds.glob("*/fetch"), *self.builds.glob("*/job"))
        return sorted([*self.deployments.glob("*/instances/*"), *builds, *self.tasks.glob("*/run")])

    def hold(self, timeout_seconds: float = HOLD_SECONDS) -> AbstractContextManager[None]:
        """Lock the folder against other kranes. Raises Conflict if one still holds it after the timeout."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return hold_lock(
            self.root / "lock",
            lambda holder: f"another krane (pid {holder}) uses {self.root}: stop it first",
            wait_seconds=timeout_seconds,
        )
