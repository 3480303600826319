"""What one Envoy has requested of one resource type, and which versions it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.gateway.envoy_api import DiscoveryRequest
from services.gateway.xds.cache import Resource

WILDCARD = "*"
# Stands for a version in `held`: Envoy requested a name that does not exist, and has had no answer yet.
REQUESTED = ""


class Difference(NamedTuple):
    """Resources to send and names to remove, both sorted by name."""

    upserts: list[Resource]
    removals: list[str]


@dataclass(slots=True)
class Subscription:
    """One type on one stream. `held` has the acknowledged versions; `pending` the names whose version may be old."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set[str])
    held: dict[str, str] = field(default_factory=dict[str, str])
    pending: set[str] = field(default_factory=set[str])
    # False: a new Envoy waits for a first response, even an empty one.
    answered: bool = False

    @classmethod
    def open(cls, request: DiscoveryRequest, resources: Mapping[str, Resource]) -> "Subscription":
        """Create from the first request of a type, which lists the versions that a reconnecting Envoy still has."""
        held = dict(request.initial_resource_versions)
        named = set(request.resource_names_subscribe)
        wildcard = not named or WILDCARD in named
        return cls(
            wildcard=wildcard,
            held=held,
            pending=held.keys() | resources.keys(),
            answered=bool(held) or not wildcard,
        )

    def follow(self, request: DiscoveryRequest) -> set[str]:
        """Apply the names that a request subscribes and unsubscribes; returns the names that it requests."""
        requested = set(request.resource_names_subscribe)
        dropped = set(request.resource_names_unsubscribe)
        if WILDCARD in requested | dropped:
            self.wildcard = WILDCARD in requested
        requested.discard(WILDCARD)
        self.names |= requested
        self.names -= dropped
        for name in dropped:
            self.held.pop(name, None)
            self.pending.discard(name)
        return requested

    def covers(self, name: str) -> bool:
        """Return whether Envoy has subscribed to `name`."""
        return self.wildcard or name in self.names

    def note_missing(self, names: Iterable[str]) -> None:
        """Remember requested names that do not exist, so that a round reports them as removed."""
        for name in names:
            self.held.setdefault(name, REQUESTED)
            self.pending.add(name)

    def holds(self, name: str) -> bool:
        """Return whether Envoy has acknowledged a version of `name`."""
        return self.held.get(name, REQUESTED) != REQUESTED

    def acknowledge(self, versions: Mapping[str, str | None], resources: Mapping[str, Resource]) -> None:
        """Record that Envoy has these versions (None: removed). Names that now equal the cache are not pending."""
        for name, version in versions.items():
            if version is None:
                self.held.pop(name, None)
            else:
                self.held[name] = version
            wanted = resources.get(name)
            if version == (wanted.version if wanted else None):
                self.pending.discard(name)

    def difference(self, resources: Mapping[str, Resource]) -> Difference:
        """Compare the wanted resources with the held versions, for pending names only."""
        self.pending = {name for name in self.pending if self._differs(name, resources)}
        names = sorted(self.pending)
        return Difference(
            upserts=[resources[name] for name in names if name in resources],
            removals=[name for name in names if name not in resources],
        )

    def _differs(self, name: str, resources: Mapping[str, Resource]) -> bool:
        if name not in resources:
            return name in self.held
        return self.covers(name) and self.held.get(name) != resources[name].version
