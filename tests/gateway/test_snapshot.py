"""From the route table to Envoy's resources: pure rules."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.config import GatewaySettings
from services.domain.errors import Invalid
from services.domain.routes import Route, RouteTable
from services.gateway.resources import all_resources, changed_resources, removed_resources
from services.gateway.snapshot import (
    EMPTY,
    Endpoint,
    RoutedDeployment,
    Snapshot,
    check_consistent,
    difference,
    parse_endpoint,
    take_snapshot,
)
from services.gateway.xds.cache import Resource, ResourceKey, ResourceType

GATEWAY = GatewaySettings()
PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
HOSTNAMES = st.from_regex(r"[a-z]{1,8}\.example\.com", fullmatch=True)
DEPLOYMENTS = st.sampled_from([f"dep-{letter}" for letter in "abcde"])
ADDRESSES = st.builds(
    lambda host, port: f"{host}:{port}", st.sampled_from(["127.0.0.1", "10.0.0.2", "[::1]"]), st.integers(1, 65535)
)
TABLES = st.builds(
    lambda routes, addresses: RouteTable(
        revision=1,
        routes=tuple(Route(hostname=hostname, deployment_id=id) for hostname, id in routes.items()),
        addresses={id: tuple(found) for id, found in addresses.items()},
    ),
    st.dictionaries(HOSTNAMES, DEPLOYMENTS, max_size=12),
    st.dictionaries(DEPLOYMENTS, st.lists(ADDRESSES, max_size=4)),
)


def table(routes: dict[str, str], **addresses: tuple[str, ...]) -> RouteTable:
    """A route table at revision 1; `dep_a=` gives the addresses of dep_a."""
    return RouteTable(
        revision=1,
        routes=tuple(Route(hostname=hostname, deployment_id=id) for hostname, id in routes.items()),
        addresses=dict(addresses),
    )


def encode(resources: list[Resource]) -> list[bytes]:
    """What goes over the wire, in order."""
    return [resource.envelope.SerializeToString() for resource in resources]


@PROPERTY
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_show_in_the_bytes(original: RouteTable, shuffle: random.Random) -> None:
    addresses = [(id, shuffle.sample(found, len(found))) for id, found in original.addresses.items()]
    shuffled = RouteTable(
        revision=1,
        routes=tuple(shuffle.sample(original.routes, len(original.routes))),
        addresses={id: tuple(found) for id, found in shuffle.sample(addresses, len(addresses))},
    )

    assert encode(all_resources(take_snapshot(shuffled), GATEWAY)) == encode(
        all_resources(take_snapshot(original), GATEWAY)
    )


@PROPERTY
@given(TABLES, TABLES)
def test_a_change_leads_from_one_snapshot_to_the_other(before: RouteTable, after: RouteTable) -> None:
    one, other = take_snapshot(before), take_snapshot(after)
    served = {resource.key: resource.version for resource in all_resources(one, GATEWAY)}

    change = difference(one, other)
    for key in removed_resources(change):
        del served[key]
    served |= {resource.key: resource.version for resource in changed_resources(change, GATEWAY)}

    assert served == {resource.key: resource.version for resource in all_resources(other, GATEWAY)}


def test_moving_a_hostname_changes_one_scope_and_nothing_else() -> None:
    before = take_snapshot(table({"a.example.com": "dep-a", "b.example.com": "dep-b"}))
    after = take_snapshot(table({"a.example.com": "dep-b", "b.example.com": "dep-b", "c.example.com": "dep-a"}))

    change = difference(before, after)

    assert [resource.key for resource in changed_resources(change, GATEWAY)] == [
        ResourceKey(ResourceType.SCOPE, "a.example.com"),
        ResourceKey(ResourceType.SCOPE, "c.example.com"),
    ]
    assert removed_resources(change) == []


def test_a_deployment_without_instances_is_in_the_snapshot() -> None:
    snapshot = take_snapshot(table({"a.example.com": "dep-a"}))

    assert snapshot.deployments == (RoutedDeployment(id="dep-a", endpoints=()),)


def test_an_instance_listed_twice_gets_its_share_once() -> None:
    snapshot = take_snapshot(table({"a.example.com": "d"}, d=("127.0.0.1:2", "127.0.0.1:1", "127.0.0.1:2")))

    assert snapshot.deployments[0].endpoints == (
        Endpoint(host="127.0.0.1", port=1),
        Endpoint(host="127.0.0.1", port=2),
    )


@pytest.mark.parametrize(
    ("routes", "culprit"),
    [
        ({"WWW.example.com": "dep-a"}, "WWW.example.com"),
        ({"www.example.com.": "dep-a"}, "www.example.com."),
        ({"www.example.com:80": "dep-a"}, "www.example.com:80"),
        ({"": "dep-a"}, "''"),
        ({"www.example.com": ""}, "deployment id"),
        ({"www.example.com": "a/b"}, "a/b"),
    ],
)
def test_names_that_envoy_could_not_serve_are_refused(routes: dict[str, str], culprit: str) -> None:
    with pytest.raises(Invalid, match=culprit):
        take_snapshot(table(routes))


def test_a_hostname_with_two_routes_is_refused() -> None:
    routes = tuple(Route(hostname="a.example.com", deployment_id=id) for id in ("dep-a", "dep-b"))

    with pytest.raises(Invalid, match="more than one route"):
        take_snapshot(RouteTable(revision=1, routes=routes, addresses={}))


def test_a_hostname_whose_deployment_is_missing_is_refused() -> None:
    snapshot = Snapshot(deployments=(), routes=(Route(hostname="a.example.com", deployment_id="dep-a"),))

    with pytest.raises(Invalid, match="'dep-a' is not in the snapshot"):
        check_consistent(snapshot)


def test_nothing_is_consistent() -> None:
    check_consistent(EMPTY)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", ":80", "localhost:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "1.2.3:80"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="as an address"):
        parse_endpoint(address)


def test_addresses_of_both_families_are_read() -> None:
    assert parse_endpoint("127.0.0.1:80") == Endpoint(host="127.0.0.1", port=80)
    assert parse_endpoint("[::1]:8080") == Endpoint(host="::1", port=8080)
