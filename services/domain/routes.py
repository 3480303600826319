"""What gateways serve: each hostname and the instances that get its requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One hostname (lower case, no port, no trailing dot) and its one deployment."""

    hostname: str
    deployment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All routes of an installation at one moment, read in one transaction.

    `addresses` holds the host:port of the instances of every routed deployment that get its requests; an empty tuple
    means that it has none at the moment (its hostnames answer 503).
    """

    revision: int
    routes: tuple[Route, ...]
    addresses: dict[str, tuple[str, ...]]
    # What instances speak, of the deployments for which it is not HTTP/1.1.
    protocols: dict[str, str] = field(default_factory=dict[str, str])


def choose_addresses(healthy: Mapping[str, bool]) -> tuple[str, ...]:
    """Which instances of a deployment get its requests, given the address of each and whether it is healthy.

    The healthy ones. When there are none, all of them: one may be back before that is known here.
    """
    return tuple(address for address, is_healthy in healthy.items() if is_healthy) or tuple(healthy)
