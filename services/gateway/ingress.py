"""The listener: receives requests, finds the hostname of each, and defines the answers of Envoy itself.

The scope key of a request is a header that is made here from Host and removed before the request is forwarded
(resources.py). Host itself reaches the instance as the client sent it, with its port: origin checks and redirects need
it. Headers that only proxies may set are removed from the requests of clients. Trusted proxies, by their addresses,
have a filter chain that keeps these headers.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from google.protobuf.message import Message

from services.config import GatewaySettings
from services.gateway import envoy_api as envoy
from services.gateway.xds.cache import Resource, ResourceType, make_resource

# For websockets and event streams without data, and for idle client connections.
IDLE_TIMEOUT = timedelta(hours=1)
REQUEST_HEADERS_TIMEOUT = timedelta(seconds=10)

LISTENER = "ingress"
HOSTNAME_HEADER = "x-interlock-hostname"
# Regular expressions for the names of request headers that are removed: of clients, and of trusted proxies.
CLAIMS = f"x-forwarded-.*|forwarded|x-real-ip|{HOSTNAME_HEADER}"
CLAIMS_BEYOND_PROXIES = f"forwarded|x-real-ip|{HOSTNAME_HEADER}"

# Envoy compares scope keys byte by byte, up to a colon. Hostnames ignore case and may end in a dot, so a Host that does
# not match this must be normalised first.
PLAIN_HOST = "[^:A-Z]*[^:A-Z.]"
# Normalises a Host, and answers 400 to an invalid one, as RFC 9112 requires: "name:x@evil.example" would have the key
# of "name", and an app that makes a link from it would link to evil.example.
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

# The texts of Envoy's own answers, by response flag
# (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage). Answers of instances have
# none of these flags.
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
    """The only listener: plain HTTP on the gateway's host and port; one JSON line per request in `access_log`."""
    content = envoy.Listener(
        name=LISTENER,
        address=envoy.socket_address(gateway.host, gateway.port),
        # A second Envoy on the same port must fail instead of taking half of the traffic.
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
    """Options for clients that connect directly: only their address identifies them."""
    return {
        "use_remote_address": {"value": True},
        "skip_xff_append": True,
        "early_header_mutation_extensions": [_claims(CLAIMS)],
        "http_filters": [_unless_plain(_hostname_filter()), _router()],
    }


def _proxies(trusted: Sequence[dict[str, object]]) -> dict[str, object]:
    """Options for trusted proxies: they name the client."""
    detection = envoy.XffConfig(xff_trusted_cidrs={"cidrs": trusted}, skip_xff_append={"value": True})
    return {
        "original_ip_detection_extensions": [
            envoy.extension("envoy.http.original_ip_detection.xff", detection),
        ],
        "early_header_mutation_extensions": [_claims(CLAIMS_BEYOND_PROXIES)],
        # Always runs the hostname filter: without x-forwarded-port, the port depends on the proxy's protocol header.
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
            # Many servers treat X_Forwarded_For as X-Forwarded-For.
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
    """Remove the headers with these names, and copy Host into the hostname header."""
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
    """Skip the filter for a request whose Host already is the key: that is cheaper than Lua."""
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
    """The texts of Envoy's own answers; the first match is used."""
    limits = f"{gateway.max_headers} headers, or {gateway.max_headers_kib} KiB of them"
    # When Envoy answers a bad request, no response flag is set yet: match by status and details.
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
    # Envoy requires a key with which the status could be changed at run time.
    value = {"default_value": status, "runtime_key": "interlock.unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
