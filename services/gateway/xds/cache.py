"""The set of resources that Envoy should have, at one revision.

A version is a hash of the content, so a restarted agent sends nothing to an Envoy that already has the same content.
Use a cache only from the thread of the event loop.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from google.protobuf.message import Message

from services.gateway.envoy_api import DiscoveryResource, pack


class ResourceType(StrEnum):
    """The type URLs that we serve."""

    CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
    ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    SCOPE = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"


class ResourceKey(NamedTuple):
    """Type and name of a resource."""

    type: ResourceType
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource, encoded once."""

    key: ResourceKey
    # Hash of the content.
    version: str
    # Name, version and content, as a message of the discovery protocol.
    envelope: Message
    # Name of the resource that this one refers to: a cluster's endpoints, a scope's route configuration.
    needs: str | None
    # True: send this resource, and wait for what it needs, before the others of its type.
    leads: bool


def make_resource(
    type: ResourceType, name: str, content: Message, *, needs: str | None = None, leads: bool = False
) -> Resource:
    """Encode one resource."""
    packed = pack(content)
    version = hashlib.blake2b(packed.value, digest_size=8).hexdigest()
    return Resource(
        key=ResourceKey(type, name),
        version=version,
        envelope=DiscoveryResource(name=name, version=version, resource=packed),
        needs=needs,
        leads=leads,
    )


Observer = Callable[[Iterable[ResourceKey]], None]


class ResourceCache:
    """All resources at one revision. Observers get the keys that a commit changed."""

    def __init__(self) -> None:
        self.revision = 0
        self.resources: dict[ResourceType, dict[str, Resource]] = {type: {} for type in ResourceType}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Call `observer` after every commit, also if it changed only the revision."""
        self._observers.append(observer)

    def commit(self, revision: int, upserts: Iterable[Resource], removals: Iterable[ResourceKey] = ()) -> None:
        """Apply a change as a whole. Resources with equal content count as unchanged. Revisions never go back."""
        if revision < self.revision:
            raise ValueError(f"revision {revision} is older than {self.revision}")
        changed = [resource.key for resource in upserts if self._put(resource)]
        changed += [key for key in removals if self.resources[key.type].pop(key.name, None) is not None]
        self.revision = revision
        for observer in self._observers:
            observer(changed)

    def _put(self, resource: Resource) -> bool:
        resources = self.resources[resource.key.type]
        known = resources.get(resource.key.name)
        if known is not None and known.version == resource.version:
            return False
        resources[resource.key.name] = resource
        return True
