"""Envoy's bootstrap file and command line. Listener and routes come over the discovery stream."""

import json
from pathlib import Path

from services.config import LOOPBACK, Settings
from services.files import write_atomically
from services.gateway.home import gateway_home

XDS_CLUSTER = "agent"
MAX_DOWNSTREAM_CONNECTIONS = 50_000
# No statistics per cluster: they would grow with every deployment. The access log has the traffic per deployment.
STATISTICS = ("http.ingress.", "listener_manager.", "cluster_manager.", "control_plane.", "server.", "overload.")
KEEPALIVE_SECONDS = 10
WINDOW_BYTES = 16 * 1024 * 1024
ACCESS_LOG_FLUSH_MS = 1_000
LOG_FORMAT = "%Y-%m-%dT%T.%e %l %n %v"

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECTION_LIMIT = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"


def envoy_command(settings: Settings) -> list[str]:
    """Return the command that runs the gateway's Envoy. Call `write_bootstrap` before running it."""
    return [
        str(envoy_binary(settings)),
        "-c",
        str(_bootstrap_path(settings)),
        "--concurrency",
        str(settings.gateway.concurrency),
        "--disable-hot-restart",
        "-l",
        "warn",
        "--log-format",
        LOG_FORMAT,
        "--skip-deprecated-logs",
        "--file-flush-interval-msec",
        str(ACCESS_LOG_FLUSH_MS),
    ]


def envoy_binary(settings: Settings) -> Path:
    """Return the path of Envoy, whether it is installed or not."""
    return settings.tools_dir.resolve() / "envoy/envoy/_bin/envoy"


def write_bootstrap(settings: Settings) -> Path:
    """Write the bootstrap file and return its path."""
    path = _bootstrap_path(settings)
    write_atomically(path, json.dumps(bootstrap(settings), indent=2).encode())
    return path


def bootstrap(settings: Settings) -> dict[str, object]:
    """Return the bootstrap configuration in Envoy's JSON form."""
    ads: dict[str, object] = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": settings.gateway.id, "cluster": "gateway"},
        "admin": {"address": _loopback(settings.gateway.envoy_admin_port)},
        "dynamic_resources": {"ads_config": _ads_config(), "cds_config": ads, "lds_config": ads},
        "static_resources": {"clusters": [_xds_cluster(settings.gateway.xds_port)]},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": it} for it in STATISTICS]}}},
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def _bootstrap_path(settings: Settings) -> Path:
    return gateway_home(settings) / "bootstrap.json"


def _ads_config() -> dict[str, object]:
    # With Envoy's default back-off it could take 30 s to reconnect after the agent is back.
    back_off = {"base_interval": "0.1s", "max_interval": "2s"}
    agent = {"cluster_name": XDS_CLUSTER, "retry_policy": {"retry_back_off": back_off}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": agent}],
    }


def _xds_cluster(port: int) -> dict[str, object]:
    http2 = {
        "connection_keepalive": {"interval": f"{KEEPALIVE_SECONDS}s", "timeout": "5s"},
        "initial_stream_window_size": WINDOW_BYTES,
        "initial_connection_window_size": WINDOW_BYTES,
    }
    return {
        "name": XDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": XDS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _loopback(port)}}]}],
        },
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
    }


def _connection_limit() -> dict[str, object]:
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"type.googleapis.com/{CONNECTION_LIMIT}",
            "max_active_downstream_connections": MAX_DOWNSTREAM_CONNECTIONS,
        },
    }


def _loopback(port: int) -> dict[str, object]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
