"""Holds the ports of instances, so that a restarted instance listens on the same port.

Then gateways need no update, and no other process gets the port to which they still send requests. The shim holds the
port of a run, also while krane is down; krane holds it between runs.
"""

from collections.abc import Generator
from contextlib import contextmanager

from services.krane.backends.supervision.shim import reserve_port


class HeldPorts:
    """Loopback ports that krane holds, one for each instance."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    @contextmanager
    def hold(self, wanted: int) -> Generator[int]:
        """Hold a port: the wanted one, or another if it is taken (0 = any)."""
        # Checked here too: the kernel lets two sockets that do not listen share a port.
        with reserve_port(0 if wanted in self._held else wanted) as reservation:
            port: int = reservation.getsockname()[1]
            self._held.add(port)
            try:
                yield port
            finally:
                self._held.remove(port)
