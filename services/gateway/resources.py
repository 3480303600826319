"""What a snapshot means in Envoy's terms. Pure: equal input gives equal bytes.

Each deployment is a cluster with its endpoints, a route configuration that sends everything to that cluster, and a
scope of its own that keeps the route configuration loaded. Each hostname is one more scope: a pointer to a deployment's
route configuration, so that moving a thousand hostnames is a thousand small pointers in one response, applied as a
whole.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from google.protobuf.message import Message

from services.domain.routes import Route
from services.gateway import envoy_api as envoy
from services.gateway.snapshot import EMPTY, Change, Endpoint, RoutedDeployment, Snapshot, difference
from services.gateway.xds.cache import Resource, ResourceKey, ResourceType, make_resource

CONNECT_TIMEOUT = timedelta(seconds=2)
# Shorter than the keep-alive of common servers (node and uvicorn: 5 s), so that Envoy closes first and a request never
# meets a connection that the instance is just closing.
UPSTREAM_IDLE_TIMEOUT = timedelta(seconds=4)
# Quiet websockets and event streams live this long, and so do idle client connections.
IDLE_TIMEOUT = timedelta(hours=1)
REQUEST_HEADERS_TIMEOUT = timedelta(seconds=10)
# A resource that does not arrive must not hold up others for Envoy's default of 15 s.
FETCH_TIMEOUT = timedelta(seconds=2)
MAX_CONNECTIONS = 100_000
MAX_RETRIES = 1_000
RETRIES = 2

LISTENER = "ingress"
# Response flags (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage) of answers
# that Envoy gives itself, and what the reader is told. Answers of instances carry none of them.
REPLIES = (
    (("NR",), "No deployment is assigned to this hostname."),
    (("UH",), "The deployment behind this hostname has no healthy instance at the moment."),
    (("UF", "UC", "UR", "UPE"), "The instance behind this hostname could not be reached, or broke off the connection."),
    (("NC",), "The deployment behind this hostname is not known to this gateway."),
    (("UO",), "The deployment behind this hostname has too many requests at the moment."),
    (("SI",), "The connection was idle for too long."),
)
ACCESS_LOG_FIELDS = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "hostname": "%REQ(:AUTHORITY)%",
    # Without the query: it may hold secrets.
    "path": "%PATH(NQ)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "deployment_id": "%UPSTREAM_CLUSTER%",
    "instance": "%UPSTREAM_HOST%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
}
# Scope keys are compared byte by byte, and hostnames are not case-sensitive.
LOWER_CASE = """
function envoy_on_request(request)
  local sent = request:headers():get(":authority")
  if sent == nil then return end
  local lower = string.lower(sent)
  if lower ~= sent then
    request:headers():replace(":authority", lower)
    request:clearRouteCache()
  end
end
"""


def all_resources(snapshot: Snapshot) -> list[Resource]:
    """Everything that serves a snapshot, apart from the listener."""
    return changed_resources(difference(EMPTY, snapshot))


def changed_resources(change: Change) -> list[Resource]:
    """What a change adds or alters."""
    resources = [resource for deployment in change.deployments for resource in _deployment(deployment)]
    return resources + [_hostname_scope(route) for route in change.routes]


def removed_resources(change: Change) -> list[ResourceKey]:
    """What a change takes away."""
    keys = [ResourceKey(ResourceType.SCOPE, hostname) for hostname in change.removed_hostnames]
    for id in change.removed_deployments:
        keys += [ResourceKey(ResourceType.SCOPE, _own_scope_name(id))]
        keys += [ResourceKey(type, id) for type in (ResourceType.ROUTES, ResourceType.CLUSTER, ResourceType.ENDPOINTS)]
    return keys


def own_scope_key(deployment_id: str) -> str:
    """The key of a deployment's own scope. No request reaches it: a header value cannot hold a line break."""
    return f"\n{deployment_id}"


def listener(host: str, port: int, access_log: Path) -> Resource:
    """The one listener: plain HTTP on `host`:`port`, one JSON line a request in `access_log`."""
    manager = _filter("envoy.filters.network.http_connection_manager", _connection_manager(access_log))
    content = envoy.Listener(
        name=LISTENER,
        address=_address(Endpoint(host=host, port=port)),
        # A second Envoy on the same port has to fail, not to take half of the traffic.
        enable_reuse_port={"value": False},
        filter_chains=[{"filters": [manager]}],
    )
    return make_resource(ResourceType.LISTENER, LISTENER, content)


def _deployment(deployment: RoutedDeployment) -> Iterable[Resource]:
    id = deployment.id
    yield make_resource(ResourceType.CLUSTER, id, _cluster(id), needs=id)
    yield make_resource(ResourceType.ENDPOINTS, id, _load_assignment(deployment))
    yield make_resource(ResourceType.ROUTES, id, _route_configuration(id))
    yield _scope(_own_scope_name(id), own_scope_key(id), id, leads=True)


def _hostname_scope(route: Route) -> Resource:
    return _scope(route.hostname, route.hostname, route.deployment_id, leads=False)


def _own_scope_name(deployment_id: str) -> str:
    # A hostname holds no slash: the two kinds of scopes cannot collide.
    return f"deployment/{deployment_id}"


def _scope(name: str, key: str, deployment_id: str, *, leads: bool) -> Resource:
    content = envoy.ScopedRouteConfiguration(
        name=name, key={"fragments": [{"string_key": key}]}, route_configuration_name=deployment_id
    )
    return make_resource(ResourceType.SCOPE, name, content, needs=deployment_id, leads=leads)


def _cluster(deployment_id: str) -> Message:
    return envoy.Cluster(
        name=deployment_id,
        type="EDS",
        eds_cluster_config={"eds_config": _ads()},
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
        # krane checks health; a check here would hold up every change until its first answer. What krane has not seen
        # yet shows in failing connections. An answer 5xx is the application's own business.
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
                    explicit_http_config={"http_protocol_options": {}},
                    common_http_protocol_options={"idle_timeout": UPSTREAM_IDLE_TIMEOUT},
                )
            )
        },
    )


def _load_assignment(deployment: RoutedDeployment) -> Message:
    endpoints = [{"endpoint": {"address": _address(endpoint)}} for endpoint in deployment.endpoints]
    return envoy.ClusterLoadAssignment(cluster_name=deployment.id, endpoints=[{"lb_endpoints": endpoints}])


def _route_configuration(deployment_id: str) -> Message:
    action = {
        "cluster": deployment_id,
        # Streams may last.
        "timeout": timedelta(0),
        # Only what surely did not reach the application is tried again.
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": {"value": RETRIES},
            "retry_host_predicate": [
                _filter("envoy.retry_host_predicates.previous_hosts", envoy.PreviousHostsPredicate())
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }
    return envoy.RouteConfiguration(
        name=deployment_id,
        virtual_hosts=[
            {"name": deployment_id, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}
        ],
    )


def _connection_manager(access_log: Path) -> Message:
    return envoy.HttpConnectionManager(
        stat_prefix="ingress",
        scoped_routes={
            "name": "hostnames",
            "scope_key_builder": {
                "fragments": [{"header_value_extractor": {"name": ":authority", "index": 0}}],
            },
            "rds_config_source": _ads(),
            "scoped_rds": {"scoped_rds_config_source": _ads()},
        },
        http_filters=[
            _filter("envoy.filters.http.lua", envoy.Lua(default_source_code={"inline_string": LOWER_CASE})),
            _filter("envoy.filters.http.router", envoy.Router(suppress_envoy_headers=True)),
        ],
        strip_any_host_port=True,
        strip_trailing_host_dot=True,
        # The first proxy that clients meet: what they claim about themselves in X-Forwarded-For is not believed.
        use_remote_address={"value": True},
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        common_http_protocol_options={"idle_timeout": IDLE_TIMEOUT},
        stream_idle_timeout=IDLE_TIMEOUT,
        request_headers_timeout=REQUEST_HEADERS_TIMEOUT,
        access_log=[_filter("envoy.access_loggers.file", _access_log(access_log))],
        local_reply_config={"mappers": [_reply(flags, text) for flags, text in REPLIES]},
    )


def _access_log(path: Path) -> Message:
    return envoy.FileAccessLog(path=str(path), log_format={"json_format": ACCESS_LOG_FIELDS})


def _reply(flags: tuple[str, ...], text: str) -> dict[str, object]:
    return {
        "filter": {"response_flag_filter": {"flags": flags}},
        "body_format_override": {
            "text_format_source": {"inline_string": f"%RESPONSE_CODE%: {text}\n"},
            "content_type": "text/plain; charset=utf-8",
        },
    }


def _filter(name: str, configuration: Message) -> dict[str, object]:
    return {"name": name, "typed_config": envoy.pack(configuration)}


def _address(endpoint: Endpoint) -> dict[str, object]:
    return {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}


def _ads() -> dict[str, object]:
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": FETCH_TIMEOUT}
