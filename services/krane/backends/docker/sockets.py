"""Finds the listening sockets of a container in /proc of this machine."""

from pathlib import Path

from services.domain.listening import Listener
from services.krane.backends.docker.containers import Container
from services.krane.backends.shared.sockets import listeners_of_namespace


def listeners_of(container: Container) -> list[Listener]:
    """Return the listening sockets of a container; empty if krane does not see its processes."""
    return listeners_of_namespace(container.pid) if _is_visible(container) else []


def _is_visible(container: Container) -> bool:
    """Return whether the pid names the container here too: krane may run in a pid namespace of its own."""
    try:
        return bool(container.pid) and container.id in Path(f"/proc/{container.pid}/cgroup").read_text()
    except OSError:
        return False
