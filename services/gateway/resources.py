"""Translate snapshots into Envoy's resources. Pure: equal input gives equal bytes.

Each deployment becomes a cluster with endpoints, a route configuration that sends all requests to that cluster, and a
scope that keeps the route configuration loaded. Each hostname becomes one more scope, which points to a deployment's
route configuration. To move a thousand hostnames, one response carries a thousand small scopes, and Envoy applies it
as a whole.
"""

from collections.abc import Iterable
from datetime import timedelta

from google.protobuf.message import Message

from services.config import GatewaySettings
from services.domain.routes import Route
from services.domain.settings import H2C, HTTP1
from services.gateway import envoy_api as envoy
from services.gateway.ingress import HOSTNAME_HEADER
from services.gateway.snapshot import EMPTY, RoutedDeployment, Snapshot, SnapshotChange, difference
from services.gateway.xds.cache import Resource, ResourceKey, ResourceType, make_resource

CONNECT_TIMEOUT = timedelta(seconds=2)
# Shorter than the keep-alive time of common servers (node and uvicorn: 5 s). So Envoy closes idle connections first,
# and sends no request on a connection that the instance is closing.
UPSTREAM_IDLE_TIMEOUT = timedelta(seconds=4)
# How Envoy speaks to instances. Websockets are asked for over HTTP/2 as RFC 8441 says.
PROTOCOLS: dict[str, dict[str, object]] = {
    HTTP1: {"http_protocol_options": {}},
    H2C: {"http2_protocol_options": {"allow_connect": True}},
}
MAX_CONNECTIONS = 100_000
MAX_RETRIES = 1_000
RETRIES = 2
# What an instance is told of its client, beside Host, which is as the client sent it. What the listener has left of a
# trusted proxy's word stands.
TOLD = (
    ("x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "OVERWRITE_IF_EXISTS_OR_ADD"),
    ("x-forwarded-host", "%REQ(:AUTHORITY)%", "ADD_IF_ABSENT"),
    # A client that names no port, and no trusted proxy, came to the port of plain HTTP.
    ("x-forwarded-port", "80", "ADD_IF_ABSENT"),
)
# What is between Envoy's own parts.
NOT_TOLD = (HOSTNAME_HEADER, "x-envoy-external-address")


def all_resources(snapshot: Snapshot, gateway: GatewaySettings) -> list[Resource]:
    """Return all resources of a snapshot except the listener."""
    return changed_resources(difference(EMPTY, snapshot), gateway)


def changed_resources(change: SnapshotChange, gateway: GatewaySettings) -> list[Resource]:
    """What a change adds or alters."""
    resources = [resource for deployment in change.deployments for resource in _deployment(deployment, gateway)]
    return resources + [_hostname_scope(route) for route in change.routes]


def removed_resources(change: SnapshotChange) -> list[ResourceKey]:
    """Return the keys of the resources that a change removes."""
    keys = [ResourceKey(ResourceType.SCOPE, hostname) for hostname in change.removed_hostnames]
    for id in change.removed_deployments:
        keys += [ResourceKey(ResourceType.SCOPE, _own_scope_name(id))]
        keys += [ResourceKey(type, id) for type in (ResourceType.ROUTES, ResourceType.CLUSTER, ResourceType.ENDPOINTS)]
    return keys


def own_scope_key(deployment_id: str) -> str:
    """Return the key of a deployment's own scope. No request matches it: header values hold no line break."""
    return f"\n{deployment_id}"


def _deployment(deployment: RoutedDeployment, gateway: GatewaySettings) -> Iterable[Resource]:
    id = deployment.id
    yield make_resource(ResourceType.CLUSTER, id, _cluster(deployment, gateway), needs=id)
    yield make_resource(ResourceType.ENDPOINTS, id, _load_assignment(deployment))
    yield make_resource(ResourceType.ROUTES, id, _route_configuration(id))
    yield _scope(_own_scope_name(id), own_scope_key(id), id, leads=True)


def _hostname_scope(route: Route) -> Resource:
    return _scope(route.hostname, route.hostname, route.deployment_id, leads=False)


def _own_scope_name(deployment_id: str) -> str:
    # Hostnames hold no slash, so the names of the two kinds of scopes cannot collide.
    return f"deployment/{deployment_id}"


def _scope(name: str, key: str, deployment_id: str, *, leads: bool) -> Resource:
    content = envoy.ScopedRouteConfiguration(
        name=name, key={"fragments": [{"string_key": key}]}, route_configuration_name=deployment_id
    )
    return make_resource(ResourceType.SCOPE, name, content, needs=deployment_id, leads=leads)


def _cluster(deployment: RoutedDeployment, gateway: GatewaySettings) -> Message:
    return envoy.Cluster(
        name=deployment.id,
        type="EDS",
        eds_cluster_config={"eds_config": envoy.ads()},
        connect_timeout=CONNECT_TIMEOUT,
        circuit_breakers={
            "thresholds": [
                {
                    "max_connections": {"value": MAX_CONNECTIONS},
                    "max_pending_requests": {"value": MAX_CONNECTIONS},
                    "max_requests": {"value": MAX_CONNECTIONS},
                    "max_retries": {"value": MAX_RETRIES},
                }
            ]
        },
        # krane checks health; a health check in Envoy would delay every change until its first result. Outlier
        # detection covers failures that krane has not seen yet. It ignores 5xx responses of the application.
        outlier_detection={
            "enforcing_consecutive_5xx": {"value": 0},
            "consecutive_gateway_failure": {"value": 5},
            "enforcing_consecutive_gateway_failure": {"value": 100},
            "max_ejection_percent": {"value": 50},
            "split_external_local_origin_errors": True,
        },
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": envoy.pack(
                envoy.HttpProtocolOptions(
                    explicit_http_config=PROTOCOLS[deployment.protocol],
                    common_http_protocol_options={
                        "idle_timeout": UPSTREAM_IDLE_TIMEOUT,
                        "max_headers_count": {"value": gateway.max_headers},
                        "max_response_headers_kb": {"value": gateway.max_headers_kib},
                    },
                )
            )
        },
    )


def _load_assignment(deployment: RoutedDeployment) -> Message:
    endpoints = [
        {"endpoint": {"address": envoy.socket_address(endpoint.host, endpoint.port)}}
        for endpoint in deployment.endpoints
    ]
    return envoy.ClusterLoadAssignment(cluster_name=deployment.id, endpoints=[{"lb_endpoints": endpoints}])


def _route_configuration(deployment_id: str) -> Message:
    action = {
        "cluster": deployment_id,
        # No limit, because responses may be streams.
        "timeout": timedelta(0),
        # Retry only requests that certainly did not reach the application.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": {"value": RETRIES},
            "retry_host_predicate": [
                envoy.extension("envoy.retry_host_predicates.previous_hosts", envoy.PreviousHostsPredicate())
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }
    return envoy.RouteConfiguration(
        name=deployment_id,
        virtual_hosts=[
            {"name": deployment_id, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}
        ],
        request_headers_to_add=[
            {"header": {"key": name, "value": value}, "append_action": action} for name, value, action in TOLD
        ],
        request_headers_to_remove=NOT_TOLD,
    )
