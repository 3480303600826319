"""The listener: how requests come in, which hostname each is for, and what Envoy itself answers.

The key of a request's scope is a header that is made here of Host, and removed before the request goes on
(resources.py): Host itself reaches the instance as the client sent it, with its port, as origin checks and redirects
need it. What a client claims about itself in headers that proxies set is removed. A trusted proxy has a filter chain of
its own, by its address, in which what it says stands.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from google.protobuf.message import Message

from services.config import GatewaySettings
from services.gateway import envoy_api as envoy
from services.gateway.xds.cache import Resource, ResourceType, make_resource

# Quiet websockets and event streams live this long, and so do idle client connections.
IDLE_TIMEOUT = timedelta(hours=1)
REQUEST_HEADERS_TIMEOUT = timedelta(seconds=10)

LISTENER = "ingress"
HOSTNAME_HEADER = "x-interlock-hostname"
# Regular expressions of the names of headers that are removed as they come in.
CLAIMS = f"x-forwarded-.*|forwarded|x-real-ip|{HOSTNAME_HEADER}"
CLAIMS_BEYOND_PROXIES = f"forwarded|x-real-ip|{HOSTNAME_HEADER}"

# Scope keys are compared byte by byte, up to a colon; hostnames are not case-sensitive, and may end in a dot.
PLAIN_HOST = "[^:A-Z]*[^:A-Z.]"
# What is not plain, and what has a port. A Host that is none is refused, as RFC 9112 wants it: "name:x@evil.example"
# would have the key of "name", and be a link to somebody else in the hands of an application.
OTHER_HOST = """
local DEFAULT_PORTS = {http = "80", https = "443"}

function envoy_on_request(request)
  local headers = request:headers()
  local sent = headers:get(":authority")
  local host, port = string.match(sent, "^([^:]*):?(%d*)$")
  if host == nil then
    -- An IPv6 address has no deployment: its key is "[".
    if string.match(sent, "^%[[%x:.]+%]:?%d*$") then return end
    request:respond({[":status"] = "400", ["content-type"] = "text/plain; charset=utf-8"},
      "400: The request's Host is not a hostname, or one with a port.\\n")
    return
  end
  if headers:get("x-forwarded-port") == nil then
    if port == "" then port = DEFAULT_PORTS[headers:get("x-forwarded-proto")] or "80" end
    headers:add("x-forwarded-port", port)
  end
  local hostname = string.gsub(string.lower(host), "%.$", "")
  if hostname ~= host then
    headers:replace("HOSTNAME_HEADER", hostname)
    request:clearRouteCache()
  end
end
""".replace("HOSTNAME_HEADER", HOSTNAME_HEADER)

# Answers that Envoy gives itself, by their response flags, and what the reader is told
# (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage). Answers of instances carry
# none of them.
REPLIES = (
    (("NR",), "No deployment is assigned to this hostname."),
    (("UH",), "The deployment behind this hostname has no healthy instance at the moment."),
    (("UF", "UC", "UR"), "The instance behind this hostname could not be reached, or broke off the connection."),
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
    "status_details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "deployment_id": "%UPSTREAM_CLUSTER%",
    "instance": "%UPSTREAM_HOST%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
}


def listener(gateway: GatewaySettings, access_log: Path) -> Resource:
    """The one listener: plain HTTP on the gateway's host and port, one JSON line a request in `access_log`."""
    content = envoy.Listener(
        name=LISTENER,
        address=envoy.socket_address(gateway.host, gateway.port),
        # A second Envoy on the same port has to fail, not to take half of the traffic.
        enable_reuse_port={"value": False},
        filter_chains=_filter_chains(gateway, access_log),
    )
    return make_resource(ResourceType.LISTENER, LISTENER, content)


def _filter_chains(gateway: GatewaySettings, access_log: Path) -> list[dict[str, object]]:
    proxies: list[dict[str, object]] = [
        {"address_prefix": str(network.network_address), "prefix_len": {"value": network.prefixlen}}
        for network in sorted(gateway.trusted_proxies, key=str)
    ]
    chains: list[dict[str, object]] = [{"filters": [_manager(gateway, access_log, _clients())]}]
    if proxies:
        filters = [_manager(gateway, access_log, _proxies(proxies))]
        chains.append({"filter_chain_match": {"source_prefix_ranges": proxies}, "filters": filters})
    return chains


def _clients() -> dict[str, object]:
    """How the clients are treated that come without a proxy: by their address, and nothing else."""
    return {
        "use_remote_address": {"value": True},
        "skip_xff_append": True,
        "early_header_mutation_extensions": [_claims(CLAIMS)],
        "http_filters": [_unless_plain(_hostname_filter()), _router()],
    }


def _proxies(trusted: Sequence[dict[str, object]]) -> dict[str, object]:
    """How trusted proxies are treated: the client is whom they name."""
    detection = envoy.XffConfig(xff_trusted_cidrs={"cidrs": trusted}, skip_xff_append={"value": True})
    return {
        "original_ip_detection_extensions": [
            envoy.extension("envoy.http.original_ip_detection.xff", detection),
        ],
        "early_header_mutation_extensions": [_claims(CLAIMS_BEYOND_PROXIES)],
        # Always: the port that a proxy does not name depends on the protocol that it names.
        "http_filters": [_hostname_filter(), _router()],
    }


def _manager(gateway: GatewaySettings, access_log: Path, peer: dict[str, object]) -> dict[str, object]:
    key = {"name": HOSTNAME_HEADER, "element_separator": ":", "index": 0}
    manager = envoy.HttpConnectionManager(
        stat_prefix="ingress",
        scoped_routes={
            "name": "hostnames",
            "scope_key_builder": {"fragments": [{"header_value_extractor": key}]},
            "rds_config_source": envoy.ads(),
            "scoped_rds": {"scoped_rds_config_source": envoy.ads()},
        },
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_protocol_options={"accept_http_10": True},
        max_request_headers_kb={"value": gateway.max_headers_kib},
        common_http_protocol_options={
            "idle_timeout": IDLE_TIMEOUT,
            "max_headers_count": {"value": gateway.max_headers},
            # Many servers read X_Forwarded_For as X-Forwarded-For.
            "headers_with_underscores_action": "DROP_HEADER",
        },
        stream_idle_timeout=IDLE_TIMEOUT,
        request_headers_timeout=REQUEST_HEADERS_TIMEOUT,
        access_log=[envoy.extension("envoy.access_loggers.file", _access_log(access_log))],
        local_reply_config={"mappers": list(_replies(gateway))},
        **peer,
    )
    return envoy.extension("envoy.filters.network.http_connection_manager", manager)


def _claims(names: str) -> dict[str, object]:
    """Remove the headers of these names, and note the hostname."""
    mutations = [
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": names}}}},
        {"append": {"header": {"key": HOSTNAME_HEADER, "value": "%REQ(:AUTHORITY)%"}}},
    ]
    return envoy.extension(
        "envoy.http.early_header_mutation.header_mutation", envoy.EarlyHeaderMutation(mutations=mutations)
    )


def _hostname_filter() -> dict[str, object]:
    return envoy.extension("envoy.filters.http.lua", envoy.Lua(default_source_code={"inline_string": OTHER_HOST}))


def _unless_plain(filter: dict[str, object]) -> dict[str, object]:
    """Skip the filter for a request whose Host is the very key: that is cheaper than Lua."""
    is_plain: dict[str, object] = {
        "input": envoy.extension("host", envoy.HttpRequestHeaderMatchInput(header_name=":authority")),
        "value_match": {"safe_regex": {"google_re2": {}, "regex": PLAIN_HOST}},
    }
    skip = {"action": envoy.extension("skip", envoy.SkipFilter())}
    matchers: list[dict[str, object]] = [{"predicate": {"single_predicate": is_plain}, "on_match": skip}]
    return envoy.extension(
        "envoy.filters.http.match_delegate",
        envoy.ExtensionWithMatcher(extension_config=filter, xds_matcher={"matcher_list": {"matchers": matchers}}),
    )


def _router() -> dict[str, object]:
    return envoy.extension("envoy.filters.http.router", envoy.Router(suppress_envoy_headers=True))


def _access_log(path: Path) -> Message:
    return envoy.FileAccessLog(path=str(path), log_format={"json_format": ACCESS_LOG_FIELDS})


def _replies(gateway: GatewaySettings) -> Iterator[dict[str, object]]:
    """What each answer of Envoy's own says; the first that fits counts."""
    limits = f"{gateway.max_headers} headers, or {gateway.max_headers_kib} KiB of them"
    # No response flag tells of a bad request yet when its answer is written.
    yield _reply(_has_status(431), f"The request has more than {limits}.")
    yield _reply(
        _has_details("missing_host_header", "lua_response"),
        "The request's Host is missing, or is not a hostname with or without a port.",
    )
    yield _reply(_has_status(400), "The request is not valid HTTP: %RESPONSE_CODE_DETAILS%.")
    yield _reply(
        _has_flags("UPE"),
        f"The instance behind this hostname did not answer in valid HTTP, or with more than {limits}. "
        "One that speaks gRPC, or nothing but HTTP/2, needs the setting protocol=h2c.",
    )
    for flags, text in REPLIES:
        yield _reply(_has_flags(*flags), text)


def _reply(filter: dict[str, object], text: str) -> dict[str, object]:
    return {
        "filter": filter,
        "body_format_override": {
            "text_format_source": {"inline_string": f"%RESPONSE_CODE%: {text}\n"},
            "content_type": "text/plain; charset=utf-8",
        },
    }


def _has_flags(*flags: str) -> dict[str, object]:
    return {"response_flag_filter": {"flags": flags}}


def _has_details(*details: str) -> dict[str, object]:
    condition = envoy.ExpressionFilter(expression=f"response.code_details in {list(details)}")
    return {"extension_filter": envoy.extension("envoy.access_loggers.extension_filters.cel", condition)}


def _has_status(status: int) -> dict[str, object]:
    # Envoy wants a key by which the status could be changed at run time.
    value = {"default_value": status, "runtime_key": "interlock.unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
