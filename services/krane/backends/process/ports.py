"""Ports of instances: no two get the same one, and a restarted instance listens on the same port.

Then gateways need no update, and no other process gets the port to which they still send requests. A program may bind
its port without SO_REUSEADDR, so nothing else may be bound to it while the program runs. Instead:

- Ports are outside of the range from which the kernel gives ports to those who ask for any.
- Each port has a lock, an abstract Unix socket, which ends with the last process that holds it. krane holds it, and so
  does the shim of a run, also while krane is down. Every krane of this machine sees the same locks.
- Between runs, krane also binds the port itself.
"""

import contextlib
import errno
import random
import socket
from itertools import chain
from pathlib import Path

from services.config import LOOPBACK
from services.domain.errors import Unavailable

# Where no widespread server listens; the kernel's own range begins at 32768 if nobody changed it.
PORTS = range(20_000, 32_768)
_KERNELS_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 500


class HeldPort:
    """A port that one instance has."""

    def __init__(self, number: int, lock: socket.socket) -> None:
        self.number = number
        # Also for the shim, which inherits it.
        self.lock = lock
        self._guard: socket.socket | None = None

    @property
    def is_free(self) -> bool:
        """Whether any program can bind it now. The kernel keeps it for a minute after connections to a server."""
        return _can_bind(self.number)

    def guard(self) -> None:
        """Keep everybody from the port, until the next run."""
        if self._guard is None:
            self._guard = socket.socket()
            self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Somebody who did not ask may listen there.
            with contextlib.suppress(OSError):
                self._guard.bind((LOOPBACK, self.number))

    def open(self) -> None:
        """Let a run have the port."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def close(self) -> None:
        """Close krane's sockets."""
        self.open()
        self.lock.close()


class HeldPorts:
    """The ports that one krane holds."""

    def __init__(self) -> None:
        self._held: set[HeldPort] = set()

    def hold(self, wanted: int) -> HeldPort:
        """Hold a port: the wanted one, or another if it is taken (0 = any). Raises Unavailable if all are taken."""
        ports = _usable()
        others = (random.choice(ports) for _ in range(_TRIES))
        for number in chain([wanted] if wanted in ports else [], others):
            lock = _lock(number)
            if lock is None:
                continue
            # Connections of an instance's earlier run do not count: most programs can bind all the same.
            if _can_share(number) if number == wanted else _can_bind(number):
                held = HeldPort(number, lock)
                self._held.add(held)
                return held
            lock.close()
        raise Unavailable(
            f"no port from {ports.start} to {ports.stop - 1} is free on this machine: stop what uses them"
        )

    def release(self, port: HeldPort) -> None:
        """Give a port up. A shim that inherited its lock still holds it."""
        self._held.remove(port)
        port.close()

    def close(self) -> None:
        """Give all ports up."""
        for port in self._held:
            port.close()


def _usable() -> range:
    """Return the ports that the kernel gives to nobody; all if it may give any."""
    try:
        first, last = map(int, _KERNELS_PORTS.read_text().split())
    # Some sandboxes do not have the file.
    except OSError:
        return PORTS
    below, above = range(PORTS.start, min(PORTS.stop, first)), range(max(last + 1, PORTS.start), 65_536)
    return max(below, above, key=len) or PORTS


def _lock(number: int) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0interlock/port/{number}")
    except OSError:
        lock.close()
        return None
    return lock


def _can_share(number: int) -> bool:
    """Return whether nobody listens on the port of the loopback address."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _binds(trial, LOOPBACK, number)


def _can_bind(number: int) -> bool:
    """Return whether a program that sets no option can bind the port, at every address."""
    with socket.socket() as trial:
        if not _binds(trial, "", number):
            return False
    try:
        trial = socket.socket(socket.AF_INET6)
    except OSError:
        return True
    with trial:
        trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return _binds(trial, "", number)


def _binds(trial: socket.socket, address: str, number: int) -> bool:
    try:
        trial.bind((address, number))
    except OSError as error:
        # A machine may know IPv6 and have no address of it.
        return error.errno == errno.EADDRNOTAVAIL
    return True
