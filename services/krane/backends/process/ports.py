"""The ports of instances, so that one that is started again answers where it answered before.

Gateways need not be told anything then, and nobody else is given the address that they still send requests to. The shim
holds the port of a run, also when krane is away; krane holds it beyond the run.
"""

from collections.abc import Generator
from contextlib import contextmanager

from services.krane.backends.supervision.shim import reserve_port


class HeldPorts:
    """Loopback ports that krane holds, each for one instance."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    @contextmanager
    def hold(self, wanted: int) -> Generator[int]:
        """Hold a port: the wanted one, or another when somebody has it (0 = any)."""
        # Asked here too: for the kernel, two sockets that do not listen may share a port.
        with reserve_port(0 if wanted in self._held else wanted) as reservation:
            port: int = reservation.getsockname()[1]
            self._held.add(port)
            try:
                yield port
            finally:
                self._held.remove(port)
