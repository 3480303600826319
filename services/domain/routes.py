"""What gateways serve: each hostname and the instances that get its requests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One hostname (lower case, no port, no trailing dot) and its one deployment."""

    hostname: str
    deployment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """All routes of an installation at one moment, read in one transaction.

    `addresses` holds the host:port of the healthy instances of every routed deployment; an empty tuple means that the
    deployment has none at the moment (its hostnames answer 503).
    """

    revision: int
    routes: tuple[Route, ...]
    addresses: dict[str, tuple[str, ...]]
