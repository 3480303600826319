# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
"""Typed access to Envoy's messages.

`xds-protos` ships no type stubs, so only this module imports it. Messages that we write are exposed as constructors,
which take fields as keyword arguments and check them at run time. Messages that we read are exposed as protocols.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from envoy.config.cluster.v3.cluster_pb2 import Cluster as _Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment as _ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener as _Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration as _RouteConfiguration
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration as _ScopedRouteConfiguration
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog as _FileAccessLog
from envoy.extensions.access_loggers.filters.cel.v3.cel_pb2 import ExpressionFilter as _ExpressionFilter
from envoy.extensions.common.matching.v3.extension_matcher_pb2 import ExtensionWithMatcher as _ExtensionWithMatcher
from envoy.extensions.filters.common.matcher.action.v3.skip_action_pb2 import SkipFilter as _SkipFilter
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua as _Lua
from envoy.extensions.filters.http.router.v3.router_pb2 import Router as _Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager as _HttpConnectionManager,
)
from envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutation as _EarlyHeaderMutation,
)
from envoy.extensions.http.original_ip_detection.xff.v3.xff_pb2 import XffConfig as _XffConfig
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import (
    PreviousHostsPredicate as _PreviousHostsPredicate,
)
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as _HttpProtocolOptions
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest as _DeltaDiscoveryRequest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse as _DeltaDiscoveryResponse
from envoy.service.discovery.v3.discovery_pb2 import Resource as _DiscoveryResource
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput as _HttpRequestHeaderMatchInput
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

Constructor = Callable[..., Message]

# A resource that does not arrive must not hold up others for Envoy's default of 15 s.
FETCH_TIMEOUT = timedelta(seconds=2)

Cluster: Constructor = _Cluster
ClusterLoadAssignment: Constructor = _ClusterLoadAssignment
Listener: Constructor = _Listener
RouteConfiguration: Constructor = _RouteConfiguration
ScopedRouteConfiguration: Constructor = _ScopedRouteConfiguration
FileAccessLog: Constructor = _FileAccessLog
EarlyHeaderMutation: Constructor = _EarlyHeaderMutation
ExpressionFilter: Constructor = _ExpressionFilter
XffConfig: Constructor = _XffConfig
ExtensionWithMatcher: Constructor = _ExtensionWithMatcher
SkipFilter: Constructor = _SkipFilter
HttpRequestHeaderMatchInput: Constructor = _HttpRequestHeaderMatchInput
Lua: Constructor = _Lua
Router: Constructor = _Router
HttpConnectionManager: Constructor = _HttpConnectionManager
PreviousHostsPredicate: Constructor = _PreviousHostsPredicate
HttpProtocolOptions: Constructor = _HttpProtocolOptions
DeltaDiscoveryResponse: Constructor = _DeltaDiscoveryResponse
DiscoveryResource: Constructor = _DiscoveryResource


class EnvoyNode(Protocol):
    """The Envoy that sent a request."""

    id: str


class ErrorDetail(Protocol):
    """Envoy's reason for rejecting a response."""

    message: str


class DiscoveryRequest(Protocol):
    """A message from Envoy on a delta stream: it subscribes to resources, or answers a response."""

    node: EnvoyNode
    type_url: str
    resource_names_subscribe: Sequence[str]
    resource_names_unsubscribe: Sequence[str]
    initial_resource_versions: Mapping[str, str]
    response_nonce: str
    error_detail: ErrorDetail

    def HasField(self, field_name: str) -> bool:
        """Return whether a message field is set."""
        ...


parse_discovery_request: Callable[[bytes], DiscoveryRequest] = _DeltaDiscoveryRequest.FromString


def pack(message: Message) -> AnyMessage:
    """Wrap a message with its type; equal messages give equal bytes."""
    packed = AnyMessage()
    packed.Pack(message, deterministic=True)
    return packed


def extension(name: str, configuration: Message) -> dict[str, object]:
    """One of Envoy's extensions, configured."""
    return {"name": name, "typed_config": pack(configuration)}


def socket_address(host: str, port: int) -> dict[str, object]:
    """An address; `host` is an IP address."""
    return {"socket_address": {"address": host, "port_value": port}}


def ads() -> dict[str, object]:
    """Have it sent over the discovery stream that all resources share."""
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": FETCH_TIMEOUT}
