"""One Envoy's stream: brings what it holds to what the cache wants, without a gap in traffic.

Theory of operation. Two tasks work on a stream. `receive` takes Envoy's requests in: a request for names is answered at
once, because Envoy withholds other acknowledgements until it has them (a cluster is acknowledged when its endpoints
came). `push` works in rounds. A round compares, then sends what changed by type in PUSH_ORDER, each response
acknowledged before the next is sent, and only then takes away in REMOVAL_ORDER: what is referred to is there before the
reference, and goes after it ("make before break").

- A scope is acknowledged although its route configuration is not there yet, and answers 404 until then. So scopes that
  lead (one for each deployment) go first, and the others follow, all in ONE response, when what they need is held.
- A changed cluster warms anew, but Envoy does not ask again for its endpoints: they are sent after it, unasked.
- A rejection (NACK) stops the round before anything that builds on it; what was acknowledged stays. The next commit
  tries again, and without one a timer does: a rejection can be weather, like a port that is not free yet.
- A round without anything to send costs nothing, so that timer needs no conditions.
- A commit during a round waits for the next round, except that a round whose scopes need what the commit removed is
  given up: the next one knows better.
- Nothing is removed before Envoy has subscribed to all types: a reconnecting one names them one after the other.
"""

import asyncio
import itertools
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.message import Message

from services.domain.errors import DeadlineExceeded, Invalid
from services.gateway.envoy_api import DeltaDiscoveryResponse, DiscoveryRequest
from services.gateway.xds.cache import Resource, ResourceCache, ResourceKey, ResourceType
from services.gateway.xds.pulse import Pulse
from services.gateway.xds.subscription import Difference, Subscription
from services.telemetry import get_logger

PUSH_ORDER = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
    ResourceType.SCOPE,
)
# Endpoints go with their cluster.
REMOVAL_ORDER = (ResourceType.SCOPE, ResourceType.ROUTES, ResourceType.LISTENER, ResourceType.CLUSTER)
NEEDS = {ResourceType.CLUSTER: ResourceType.ENDPOINTS, ResourceType.SCOPE: ResourceType.ROUTES}
# Envoy asks for these by itself; until it has, it is not in sync. The others follow from their content.
ROOTS = {ResourceType.CLUSTER, ResourceType.LISTENER, ResourceType.SCOPE}

ANSWER_DEADLINE = timedelta(seconds=10)
ROUND_INTERVAL = timedelta(seconds=3)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A NACK: what was being published, and Envoy's own words."""

    revision: int
    type: ResourceType
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A response that Envoy has not answered yet: the versions in it by name, None for a removal."""

    type: ResourceType
    versions: Mapping[str, str | None]
    answered: asyncio.Event


class RoundStopped(Exception):
    """Envoy rejected something, or a newer commit took away what the round builds on."""


class DeltaStream:
    """One connection of one Envoy. `progress` beats whenever something is acknowledged or rejected."""

    def __init__(self, cache: ResourceCache, write: Callable[[Message], Awaitable[None]], progress: Pulse) -> None:
        self.acked_revision: int | None = None
        self.rejection: Rejection | None = None
        self._cache = cache
        self._write = write
        self._progress = progress
        self._subscriptions: dict[ResourceType, Subscription] = {}
        self._in_flight: dict[str, Sent] = {}
        self._nonces = itertools.count(1)
        self._target = cache.revision
        # A rejection is tried again and again, and logged once.
        self._reported: Rejection | None = None
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def on_commit(self, changed: Iterable[ResourceKey]) -> None:
        """Note what the cache changed."""
        for key in changed:
            if key.type in self._subscriptions:
                self._subscriptions[key.type].pending.add(key.name)
        self._wake.set()

    async def receive(self, requests: AsyncIterable[DiscoveryRequest]) -> None:
        """Take in all requests until Envoy hangs up; raises Invalid for a type that is not served."""
        async for request in requests:
            await self._on_request(request)

    async def push(self) -> None:
        """Send round after round; raises DeadlineExceeded when Envoy leaves a response unanswered."""
        while True:
            await self._next_round()
            try:
                await self._round()
            except RoundStopped:
                continue
            finally:
                self._progress.beat()

    # What Envoy says

    async def _on_request(self, request: DiscoveryRequest) -> None:
        type = _served_type(request)
        if request.response_nonce:
            self._on_answer(request)
        subscription = self._subscriptions.get(type)
        if subscription is None:
            subscription = Subscription.open(request, self._cache.resources[type])
            self._subscriptions[type] = subscription
            self._wake.set()
        asked = subscription.follow(request)
        if asked:
            await self._answer(type, asked)

    def _on_answer(self, request: DiscoveryRequest) -> None:
        sent = self._in_flight.pop(request.response_nonce, None)
        if sent is None:
            return
        if request.HasField("error_detail"):
            self._reject(sent, request.error_detail.message)
        else:
            self._subscriptions[sent.type].acknowledge(sent.versions, self._cache.resources[sent.type])
        sent.answered.set()
        self._progress.beat()

    def _reject(self, sent: Sent, message: str) -> None:
        rejection = Rejection(revision=self._target, type=sent.type, message=message.strip())
        if rejection != self._reported:
            log.warning(
                "Envoy rejected an update", revision=self._target, type=sent.type.name, reason=rejection.message
            )
        self.rejection = self._reported = rejection
        self._subscriptions[sent.type].pending.update(sent.versions)

    # What we say

    async def _answer(self, type: ResourceType, names: set[str]) -> Sent:
        """Send what exists under these names now; what does not exist is reported at the end of a round."""
        resources = self._cache.resources[type]
        missing = names - resources.keys()
        if missing:
            self._subscriptions[type].ask(missing)
            self._wake.set()
        return await self._send(type, [resources[name] for name in sorted(names - missing)])

    async def _send(self, type: ResourceType, upserts: Iterable[Resource], removals: Iterable[str] = ()) -> Sent:
        versions: dict[str, str | None] = {resource.key.name: resource.version for resource in upserts}
        versions |= dict.fromkeys(removals)
        nonce = str(next(self._nonces))
        sent = Sent(type=type, versions=versions, answered=asyncio.Event())
        self._in_flight[nonce] = sent
        response = DeltaDiscoveryResponse(
            type_url=type,
            nonce=nonce,
            system_version_info=str(self._target),
            resources=[resource.envelope for resource in upserts],
            removed_resources=removals,
        )
        async with self._writing:
            await self._write(response)
        return sent

    async def _next_round(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUND_INTERVAL.total_seconds()):
                await self._wake.wait()
        self._wake.clear()

    async def _round(self) -> None:
        self.rejection = None
        self._target = self._cache.revision
        in_sync = self._subscriptions.keys() >= ROOTS
        # Compared at one moment: what is sent in this round fits together.
        plan = {
            type: self._subscriptions[type].difference(self._cache.resources[type])
            for type in PUSH_ORDER
            if type in self._subscriptions
        }
        for type, wanted in plan.items():
            await self._push_type(type, wanted)
        if in_sync:
            for type in REMOVAL_ORDER:
                if type in plan:
                    await self._remove(type, plan[type].removals)
            for sent in list(self._in_flight.values()):
                await self._answered(sent)
            self.acked_revision = self._target

    async def _push_type(self, type: ResourceType, wanted: Difference) -> None:
        subscription = self._subscriptions[type]
        batches = _batches(subscription, wanted.upserts)
        subscription.answered = True
        for batch in batches:
            await self._push_batch(type, batch)

    async def _push_batch(self, type: ResourceType, batch: list[Resource]) -> None:
        needs = {resource.needs for resource in batch if resource.needs}
        if type is ResourceType.SCOPE and not any(resource.leads for resource in batch):
            await self._held(ResourceType.ROUTES, needs)
        sent = [await self._send(type, batch)]
        if type is ResourceType.CLUSTER:
            sent += await self._resend_endpoints(needs)
        for response in sent:
            await self._answered(response)
        if type is ResourceType.SCOPE:
            await self._held(ResourceType.ROUTES, needs)

    async def _resend_endpoints(self, clusters: set[str]) -> list[Sent]:
        endpoints = self._subscriptions.get(ResourceType.ENDPOINTS)
        known = clusters & endpoints.names if endpoints else set[str]()
        return [await self._answer(ResourceType.ENDPOINTS, known)] if known else []

    async def _remove(self, type: ResourceType, names: list[str]) -> None:
        # Envoy may have dropped some by itself, as what led to them went away.
        held = [name for name in names if name in self._subscriptions[type].held]
        if held:
            await self._answered(await self._send(type, (), held))

    async def _answered(self, sent: Sent) -> None:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE.total_seconds()):
                await sent.answered.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(f"Envoy did not answer {sent.type.name} of revision {self._target}") from error
        if self.rejection:
            raise RoundStopped

    async def _held(self, type: ResourceType, names: set[str]) -> None:
        """Wait until Envoy has asked for these and acknowledged them."""
        try:
            async with asyncio.timeout(ANSWER_DEADLINE.total_seconds()):
                while not self._holds(type, names):
                    self._check_round(type, names)
                    await self._progress.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(f"Envoy did not take {type.name} of revision {self._target}") from error

    def _holds(self, type: ResourceType, names: set[str]) -> bool:
        subscription = self._subscriptions.get(type)
        return all(subscription is not None and subscription.holds(name) for name in names)

    def _check_round(self, type: ResourceType, names: set[str]) -> None:
        if self.rejection or not self._cache.resources[type].keys() >= names:
            raise RoundStopped


def _batches(subscription: Subscription, upserts: list[Resource]) -> list[list[Resource]]:
    """What leads, then the rest. A starting Envoy gets all at once: it opens its port after the first response."""
    if not subscription.answered:
        return [upserts]
    leading = [resource for resource in upserts if resource.leads]
    following = [resource for resource in upserts if not resource.leads]
    return [batch for batch in (leading, following) if batch]


def _served_type(request: DiscoveryRequest) -> ResourceType:
    try:
        return ResourceType(request.type_url)
    except ValueError as error:
        raise Invalid(f"cannot serve {request.type_url!r}: this gateway does not use it") from error
