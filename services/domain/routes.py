"""The route table that gateways serve: hostnames, deployments, and the addresses of instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A hostname (lower case, no port, no trailing dot) and its deployment."""

    hostname: str
    deployment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All routes of an installation, read in one transaction.

    `addresses` has, for every routed deployment, the host:port of the instances that get its requests. An empty tuple
    means that there is none, and its hostnames answer 503.
    """

    revision: int
    routes: tuple[Route, ...]
    addresses: dict[str, tuple[str, ...]]
    # Protocols of instances, for deployments whose protocol is not HTTP/1.1.
    protocols: dict[str, str] = field(default_factory=dict[str, str])


def choose_addresses(healthy: Mapping[str, bool]) -> tuple[str, ...]:
    """Return the addresses that get a deployment's requests, given the health of each address.

    These are the healthy ones; if there are none, all: an instance may recover before we know.
    """
    return tuple(address for address, is_healthy in healthy.items() if is_healthy) or tuple(healthy)
