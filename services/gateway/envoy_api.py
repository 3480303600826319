# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
"""Envoy's messages, with as much type as the gateway relies on.

`xds-protos` ships no type stubs, so it is imported here and nowhere else. Messages that we write are constructors that
take fields as keyword arguments and check them at run time; messages that we read are protocols.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from envoy.config.cluster.v3.cluster_pb2 import Cluster as _Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment as _ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener as _Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration as _RouteConfiguration
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration as _ScopedRouteConfiguration
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog as _FileAccessLog
from envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua as _Lua
from envoy.extensions.filters.http.router.v3.router_pb2 import Router as _Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager as _HttpConnectionManager,
)
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import (
    PreviousHostsPredicate as _PreviousHostsPredicate,
)
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as _HttpProtocolOptions
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest as _DeltaDiscoveryRequest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse as _DeltaDiscoveryResponse
from envoy.service.discovery.v3.discovery_pb2 import Resource as _DiscoveryResource
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

Constructor = Callable[..., Message]

Cluster: Constructor = _Cluster
ClusterLoadAssignment: Constructor = _ClusterLoadAssignment
Listener: Constructor = _Listener
RouteConfiguration: Constructor = _RouteConfiguration
ScopedRouteConfiguration: Constructor = _ScopedRouteConfiguration
FileAccessLog: Constructor = _FileAccessLog
Lua: Constructor = _Lua
Router: Constructor = _Router
HttpConnectionManager: Constructor = _HttpConnectionManager
PreviousHostsPredicate: Constructor = _PreviousHostsPredicate
HttpProtocolOptions: Constructor = _HttpProtocolOptions
DeltaDiscoveryResponse: Constructor = _DeltaDiscoveryResponse
DiscoveryResource: Constructor = _DiscoveryResource


class Node(Protocol):
    """Who speaks."""

    id: str


class ErrorDetail(Protocol):
    """Why a response was rejected, in Envoy's words."""

    message: str


class DiscoveryRequest(Protocol):
    """What one delta stream asks for, or how it answers what it was sent."""

    node: Node
    type_url: str
    resource_names_subscribe: Sequence[str]
    resource_names_unsubscribe: Sequence[str]
    initial_resource_versions: Mapping[str, str]
    response_nonce: str
    error_detail: ErrorDetail

    def HasField(self, field_name: str) -> bool:
        """Whether a message field was set."""
        ...


parse_discovery_request: Callable[[bytes], DiscoveryRequest] = _DeltaDiscoveryRequest.FromString


def pack(message: Message) -> AnyMessage:
    """Wrap a message with its type; equal messages give equal bytes."""
    packed = AnyMessage()
    packed.Pack(message, deterministic=True)
    return packed
