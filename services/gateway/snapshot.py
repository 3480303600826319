"""Snapshots: the route table, sorted and checked, ready to be translated for Envoy. Pure.

A snapshot is consistent: every hostname occurs once and points to a deployment in the same snapshot. A table that
breaks a rule is refused as a whole, naming the bad entry, because Envoy would reject everything in the same response.
The same table in any order gives the same snapshot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import zip_longest

from services.domain.errors import Invalid
from services.domain.hostnames import check_hostname
from services.domain.ids import check_id
from services.domain.routes import Route, RouteTable
from services.domain.settings import HTTP1

PORTS = range(1, 65536)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """The address of an instance; `host` is an IP address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedDeployment:
    """A deployment that at least one hostname points to, with its healthy instances (possibly none)."""

    id: str
    endpoints: tuple[Endpoint, ...]
    # What its instances speak: HTTP1 or H2C.
    protocol: str = HTTP1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that Envoy serves at one routing revision. Deployments are sorted by id, routes by hostname."""

    deployments: tuple[RoutedDeployment, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChange:
    """The difference between two snapshots."""

    deployments: tuple[RoutedDeployment, ...]
    routes: tuple[Route, ...]
    removed_deployments: tuple[str, ...]
    removed_hostnames: tuple[str, ...]


EMPTY = Snapshot(deployments=(), routes=())


def take_snapshot(table: RouteTable) -> Snapshot:
    """Sort and check a route table; raises Invalid if it is not consistent."""
    snapshot = Snapshot(
        deployments=tuple(
            RoutedDeployment(
                id=id,
                endpoints=_endpoints(table.addresses.get(id, ())),
                protocol=table.protocols.get(id, HTTP1),
            )
            for id in sorted({route.deployment_id for route in table.routes})
        ),
        routes=tuple(sorted(table.routes, key=lambda route: (route.hostname, route.deployment_id))),
    )
    check_consistent(snapshot)
    return snapshot


def check_consistent(snapshot: Snapshot) -> None:
    """Raise Invalid unless the snapshot is consistent and its ids and hostnames are well-formed."""
    deployments = {check_id("deployment id", deployment.id) for deployment in snapshot.deployments}
    for route, following in zip_longest(snapshot.routes, snapshot.routes[1:]):
        if check_hostname(route.hostname) != route.hostname:
            raise Invalid(f"cannot serve hostname {route.hostname!r}: it must be lower case and without a final dot")
        if following is not None and following.hostname == route.hostname:
            raise Invalid(f"cannot serve hostname {route.hostname!r}: it has more than one route")
        if route.deployment_id not in deployments:
            raise Invalid(f"cannot serve hostname {route.hostname!r}: {route.deployment_id!r} is not in the snapshot")


def difference(before: Snapshot, after: Snapshot) -> SnapshotChange:
    """Return what to add, update and remove to get from `before` to `after`."""
    known_deployments, known_routes = set(before.deployments), set(before.routes)
    return SnapshotChange(
        deployments=tuple(deployment for deployment in after.deployments if deployment not in known_deployments),
        routes=tuple(route for route in after.routes if route not in known_routes),
        removed_deployments=_missing((d.id for d in before.deployments), (d.id for d in after.deployments)),
        removed_hostnames=_missing((r.hostname for r in before.routes), (r.hostname for r in after.routes)),
    )


def parse_endpoint(address: str) -> Endpoint:
    """Parse "10.0.0.1:80" or "[::1]:80"; raises Invalid for anything else, also for host names."""
    host, _, port = address.rpartition(":")
    try:
        endpoint = Endpoint(host=str(ip_address(host.removeprefix("[").removesuffix("]"))), port=int(port))
    except ValueError as error:
        raise Invalid(f"cannot use {address!r} as an address: it must be an IP address and a port") from error
    if endpoint.port not in PORTS:
        raise Invalid(f"cannot use {address!r} as an address: the port is not between 1 and 65535")
    return endpoint


def _endpoints(addresses: Iterable[str]) -> tuple[Endpoint, ...]:
    return tuple(sorted({parse_endpoint(address) for address in addresses}))


def _missing(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(before) - set(after)))
