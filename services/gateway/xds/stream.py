"""The stream of one Envoy: updates its resources to those in the cache without interrupting traffic.

Theory of operation. Two tasks work on a stream. `receive` reads Envoy's requests. It answers a request for names at
once, because Envoy delays other acknowledgements until it has them (it acknowledges a cluster when it has the
endpoints). `push` works in rounds. A round computes the difference and sends the changes by type in PUSH_ORDER,
waiting for each acknowledgement before the next response. Then it sends the removals in REMOVAL_ORDER. So a resource
arrives before the references to it, and is removed after them ("make before break").

- Envoy acknowledges a scope even if it lacks its route configuration, and answers 404 until that arrives. So the scopes
  that lead (one per deployment) are sent first. The others follow, all in ONE response, once Envoy has what they need.
- Envoy warms up a changed cluster again, but does not request its endpoints again. The stream sends them unrequested.
- A rejection (NACK) ends the round before dependent resources are sent; acknowledged resources stay. The next commit
  tries again, or else a timer: the cause may be temporary, such as a port that is not free yet.
- A round with no changes costs nothing, so the timer needs no conditions.
- A commit during a round waits for the next round. But if it removed resources that the scopes of the round need, the
  round is abandoned and the next one starts from the new state.
- Nothing is removed before Envoy has subscribed to all types: after a reconnect it subscribes to them one by one.
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
# Envoy removes endpoints together with their cluster.
REMOVAL_ORDER = (ResourceType.SCOPE, ResourceType.ROUTES, ResourceType.LISTENER, ResourceType.CLUSTER)
NEEDS = {ResourceType.CLUSTER: ResourceType.ENDPOINTS, ResourceType.SCOPE: ResourceType.ROUTES}
# Envoy subscribes to these by itself, and is not in sync before. It requests the other types because of their content.
ROOTS = {ResourceType.CLUSTER, ResourceType.LISTENER, ResourceType.SCOPE}

ANSWER_DEADLINE = timedelta(seconds=10)
ROUND_INTERVAL = timedelta(seconds=3)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A NACK: revision and type of the rejected response, and Envoy's message."""

    revision: int
    type: ResourceType
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentResponse:
    """A response that was sent to Envoy: its versions by name, with None for a removal."""

    type: ResourceType
    versions: Mapping[str, str | None]
    answered: asyncio.Event


class RoundStopped(Exception):
    """Envoy rejected a response, or a newer commit removed resources that the round needs."""


class DeltaStream:
    """One connection of one Envoy. `progress` beats after every acknowledgement and rejection."""

    def __init__(self, cache: ResourceCache, write: Callable[[Message], Awaitable[None]], progress: Pulse) -> None:
        self.acked_revision: int | None = None
        self.rejection: Rejection | None = None
        self._cache = cache
        self._write = write
        self._progress = progress
        self._subscriptions: dict[ResourceType, Subscription] = {}
        self._in_flight: dict[str, SentResponse] = {}
        self._nonces = itertools.count(1)
        self._target = cache.revision
        # The last rejection that was logged: retries with the same result are not logged again.
        self._reported: Rejection | None = None
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def on_commit(self, changed: Iterable[ResourceKey]) -> None:
        """Note the keys that a commit to the cache changed."""
        for key in changed:
            if key.type in self._subscriptions:
                self._subscriptions[key.type].pending.add(key.name)
        self._wake.set()

    async def receive(self, requests: AsyncIterable[DiscoveryRequest]) -> None:
        """Handle all requests until Envoy disconnects; raises Invalid for a type that is not served."""
        async for request in requests:
            await self._on_request(request)

    async def push(self) -> None:
        """Run rounds forever; raises DeadlineExceeded if Envoy does not answer a response."""
        while True:
            await self._next_round()
            try:
                await self._round()
            except RoundStopped:
                continue
            finally:
                self._progress.beat()

    # Requests from Envoy

    async def _on_request(self, request: DiscoveryRequest) -> None:
        type = _served_type(request)
        if request.response_nonce:
            self._on_answer(request)
        subscription = self._subscriptions.get(type)
        if subscription is None:
            subscription = Subscription.open(request, self._cache.resources[type])
            self._subscriptions[type] = subscription
            self._wake.set()
        requested = subscription.follow(request)
        if requested:
            await self._answer(type, requested)

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

    def _reject(self, sent: SentResponse, message: str) -> None:
        rejection = Rejection(revision=self._target, type=sent.type, message=message.strip())
        if rejection != self._reported:
            log.warning(
                "Envoy rejected an update", revision=self._target, type=sent.type.name, reason=rejection.message
            )
        self.rejection = self._reported = rejection
        self._subscriptions[sent.type].pending.update(sent.versions)

    # Responses to Envoy

    async def _answer(self, type: ResourceType, names: set[str]) -> SentResponse:
        """Send the resources with these names now; missing ones are reported as removed at the end of a round."""
        resources = self._cache.resources[type]
        missing = names - resources.keys()
        if missing:
            self._subscriptions[type].note_missing(missing)
            self._wake.set()
        return await self._send(type, [resources[name] for name in sorted(names - missing)])

    async def _send(
        self, type: ResourceType, upserts: Iterable[Resource], removals: Iterable[str] = ()
    ) -> SentResponse:
        versions: dict[str, str | None] = {resource.key.name: resource.version for resource in upserts}
        versions |= dict.fromkeys(removals)
        nonce = str(next(self._nonces))
        sent = SentResponse(type=type, versions=versions, answered=asyncio.Event())
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
        # Computed at one moment, so that all resources of a round fit together.
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
            await self._until_held(ResourceType.ROUTES, needs)
        sent = [await self._send(type, batch)]
        if type is ResourceType.CLUSTER:
            sent += await self._resend_endpoints(needs)
        for response in sent:
            await self._answered(response)
        if type is ResourceType.SCOPE:
            await self._until_held(ResourceType.ROUTES, needs)

    async def _resend_endpoints(self, clusters: set[str]) -> list[SentResponse]:
        endpoints = self._subscriptions.get(ResourceType.ENDPOINTS)
        known = clusters & endpoints.names if endpoints else set[str]()
        return [await self._answer(ResourceType.ENDPOINTS, known)] if known else []

    async def _remove(self, type: ResourceType, names: list[str]) -> None:
        # Envoy may have unsubscribed from some, because the resources that referred to them were removed.
        held = [name for name in names if name in self._subscriptions[type].held]
        if held:
            await self._answered(await self._send(type, (), held))

    async def _answered(self, sent: SentResponse) -> None:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE.total_seconds()):
                await sent.answered.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(f"Envoy did not answer {sent.type.name} of revision {self._target}") from error
        if self.rejection:
            raise RoundStopped

    async def _until_held(self, type: ResourceType, names: set[str]) -> None:
        """Wait until Envoy has requested and acknowledged these names."""
        try:
            async with asyncio.timeout(ANSWER_DEADLINE.total_seconds()):
                while not self._holds(type, names):
                    self._check_round(type, names)
                    await self._progress.wait()
        except TimeoutError as error:
            raise DeadlineExceeded(f"Envoy did not accept {type.name} of revision {self._target}") from error

    def _holds(self, type: ResourceType, names: set[str]) -> bool:
        subscription = self._subscriptions.get(type)
        return all(subscription is not None and subscription.holds(name) for name in names)

    def _check_round(self, type: ResourceType, names: set[str]) -> None:
        if self.rejection or not self._cache.resources[type].keys() >= names:
            raise RoundStopped


def _batches(subscription: Subscription, upserts: list[Resource]) -> list[list[Resource]]:
    """Put the leading resources first. A new Envoy gets all at once, because it opens its port after one response."""
    if not subscription.answered:
        return [upserts]
    leading = [resource for resource in upserts if resource.leads]
    following = [resource for resource in upserts if not resource.leads]
    return [batch for batch in (leading, following) if batch]


def _served_type(request: DiscoveryRequest) -> ResourceType:
    try:
        return ResourceType(request.type_url)
    except ValueError as error:
        raise Invalid(f"cannot serve {request.type_url!r}: this gateway does not use that type") from error
