"""Finds the listening sockets and processes of a container in /proc of this machine."""

from pathlib import Path

from services.domain.listening import Listener
from services.krane.backends.docker.containers import Container
from services.krane.backends.shared.sockets import listeners_of_namespace
from services.krane.backends.supervision.shim import descendants


def listeners_of(container: Container) -> list[Listener]:
    """Return the listening sockets of a container; empty if krane does not see its processes."""
    return listeners_of_namespace(container.pid) if _is_visible(container) else []


def processes_of(container: Container) -> list[int]:
    """Return the pids of a container without the engine's init process; empty if krane does not see them."""
    return descendants(container.pid) if _is_visible(container) else []


def _is_visible(container: Container) -> bool:
    """Return whether the pid names the container here too: krane may run in a pid namespace of its own."""
    try:
        return bool(container.pid) and container.id in Path(f"/proc/{container.pid}/cgroup").read_text()
    except OSError:
        return False
