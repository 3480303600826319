"""What Envoy should serve, as one set of resources at one revision.

Versions are hashes of the content: an agent that starts again has nothing to send to an Envoy that holds the same.
Only the event loop's thread may touch a cache.
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
    """A name within its type."""

    type: ResourceType
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource, encoded once."""

    key: ResourceKey
    # Hash of the content.
    version: str
    # The discovery protocol's envelope: name, version and content.
    envelope: Message
    # Name of what Envoy asks for because of this one: a cluster's endpoints, a scope's route configuration.
    needs: str | None
    # True: this one, and what it needs, has to be in place before the others of its type are sent.
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
    """All resources at one revision. Observers hear which keys a commit changed."""

    def __init__(self) -> None:
        self.revision = 0
        self.resources: dict[ResourceType, dict[str, Resource]] = {type: {} for type in ResourceType}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Call `observer` after every commit, also after one that changed nothing but the revision."""
        self._observers.append(observer)

    def commit(self, revision: int, upserts: Iterable[Resource], removals: Iterable[ResourceKey] = ()) -> None:
        """Apply one change as a whole. Revisions never go back; equal content is no change."""
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
