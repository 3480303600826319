"""What one Envoy asked for of one type, and which versions it holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.gateway.envoy_api import DiscoveryRequest
from services.gateway.xds.cache import Resource

WILDCARD = "*"
# Held in place of a version: Envoy asked by name for what does not exist, and has not been told so yet.
ASKED = ""


class Difference(NamedTuple):
    """What a subscription lacks, and what it holds too much, by name."""

    upserts: list[Resource]
    removals: list[str]


@dataclass(slots=True)
class Subscription:
    """One type on one stream. `held` follows the acknowledgements; `pending` are the names where it may lag behind."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set[str])
    held: dict[str, str] = field(default_factory=dict[str, str])
    pending: set[str] = field(default_factory=set[str])
    # False: Envoy is starting and waits for a first answer, even an empty one.
    answered: bool = False

    @classmethod
    def open(cls, request: DiscoveryRequest, resources: Mapping[str, Resource]) -> "Subscription":
        """Begin with a type's first request, which names what a reconnecting Envoy still holds."""
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
        """Take over what a request subscribes and unsubscribes; returns the names it asks for."""
        asked = set(request.resource_names_subscribe)
        dropped = set(request.resource_names_unsubscribe)
        if WILDCARD in asked | dropped:
            self.wildcard = WILDCARD in asked
        asked.discard(WILDCARD)
        self.names |= asked
        self.names -= dropped
        for name in dropped:
            self.held.pop(name, None)
            self.pending.discard(name)
        return asked

    def covers(self, name: str) -> bool:
        """Whether Envoy wants to hear about `name`."""
        return self.wildcard or name in self.names

    def ask(self, missing: Iterable[str]) -> None:
        """Remember names that Envoy asked for and that do not exist, so that it is told in due order."""
        for name in missing:
            self.held.setdefault(name, ASKED)
            self.pending.add(name)

    def holds(self, name: str) -> bool:
        """Whether Envoy has acknowledged some version of `name`."""
        return self.held.get(name, ASKED) != ASKED

    def acknowledge(self, versions: Mapping[str, str | None], resources: Mapping[str, Resource]) -> None:
        """Envoy holds these versions now (None: removed); what equals the cache is no longer pending."""
        for name, version in versions.items():
            if version is None:
                self.held.pop(name, None)
            else:
                self.held[name] = version
            wanted = resources.get(name)
            if version == (wanted.version if wanted else None):
                self.pending.discard(name)

    def difference(self, resources: Mapping[str, Resource]) -> Difference:
        """Compare what is wanted with what is held; looks only at pending names. Sorted by name."""
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
