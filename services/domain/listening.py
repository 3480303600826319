"""Explain where an instance listens, if not where requests arrive."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 3
# Where an instance in a container must listen to be reached.
ANY_IPV4 = str(ipaddress.IPv4Address(0))


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A TCP socket that accepts connections."""

    # An IP address; "0.0.0.0" and "::" are all addresses of their family.
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_for_all(self) -> bool:
        """Whether it accepts at every address of its family."""
        return ipaddress.ip_address(self.host).is_unspecified


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Where requests to an instance arrive."""

    port: int
    # The IPv4 address that it should listen on.
    host: str
    # Whether the setting `port` can name another port.
    is_port_settable: bool


def elsewhere(found: Sequence[Listener], expected: Expected) -> str:
    """Return where an instance listens and what to change, in one sentence.

    Call it if nothing accepts at the expected port. Empty if the instance listens nowhere, or has just begun to listen.
    """
    at_port = [one for one in found if one.port == expected.port]
    if not found or any(one.host in (expected.host, ANY_IPV4) for one in at_port):
        return ""
    if at_port:
        return f"it listens on {_places(at_port)}, not on {expected.host}:{expected.port}: " + (
            f"let it listen on {expected.host}"
        )
    advice = "let it take its port from the variable PORT"
    if expected.is_port_settable:
        ports = sorted({one.port for one in found if one.is_for_all})
        advice += f", or set the setting port to {ports[0]}" if ports else f", and listen on {expected.host}"
    return f"it listens on {_places(found)}, not on PORT {expected.port}: {advice}"


def _places(found: Sequence[Listener]) -> str:
    places = [str(one) for one in sorted(set(found))]
    rest = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return ", ".join(places[:SHOWN]) + rest
