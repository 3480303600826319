"""The health of one run of an instance, as of its last probe."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from services.domain.readiness import Probe
from services.domain.settings import HTTP1
from services.krane.backends.hosted.probe import Prober, is_refused

INTERVAL = 0.5
TIMEOUT_MS = 2000
# Seconds between probes until the first one passes.
STARTING_INTERVAL = 0.05
# A single failed probe may be chance; two in a row are a state.
FAILURES_UNTIL_UNHEALTHY = 2
# A new run gets this many seconds to listen before its sockets are searched, and again between two searches.
SEARCH_SECONDS = 1.0
FROZEN = "it is frozen: its processes are stopped (SIGSTOP), so no request would be answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How to probe an instance."""

    # Path for GET. Empty: an accepted TCP connection passes.
    path: str
    timeout_ms: int
    # Seconds between probes after the first one passed.
    interval: float
    # Seconds between probes while the instance is calm: after every probe has passed for this long.
    calm_interval: float
    calm_after: float = 10.0
    # Protocol of the GET.
    protocol: str = HTTP1

    def pause(self, passing_for: float) -> float:
        """Return the seconds until the next probe, given how long every probe has passed."""
        return self.calm_interval if passing_for >= self.calm_after else self.interval


class Health:
    """The health of one run. It begins unhealthy; `probed` is set after the first probe."""

    def __init__(self, probed: asyncio.Event) -> None:
        self.is_healthy = False
        self.is_frozen = False
        self.last_probe: Probe | None = None
        self._probed = probed
        self.reason = "it was not probed yet"
        self._first_passed_at: float | None = None
        self._passing_since = 0.0
        self._failures = 0
        self._elsewhere = ""
        # Milliseconds since the epoch, only to show; 0 = it is healthy.
        self.unhealthy_since_ms = now_ms()
        self._search_at = time.monotonic() + SEARCH_SECONDS

    @property
    def healthy_age(self) -> float:
        """Seconds since the first passed probe; 0 if none passed."""
        return time.monotonic() - self._first_passed_at if self._first_passed_at is not None else 0.0

    async def follow(
        self,
        prober: Prober,
        address: str,
        check: Check,
        on_first_passed: Callable[[], None],
        elsewhere: Callable[[], Awaitable[str]],
        is_frozen: Callable[[], Awaitable[bool]],
    ) -> None:
        """Probe forever: often until the first probe passes, then at the check's intervals.

        `elsewhere` tells where the run listens instead of its port; empty if nowhere. A frozen run is not probed: the
        kernel accepts connections for it, and nothing answers them.
        """
        while True:
            self.is_frozen = await is_frozen()
            if self.is_frozen:
                self.last_probe = Probe(problem=FROZEN)
            else:
                found = await prober.probe(address, check.path, check.timeout_ms, check.protocol)
                self.last_probe = await self._explained(found, elsewhere)
            problem = self.last_probe.problem
            if not problem and self._first_passed_at is None:
                on_first_passed()
                self._first_passed_at = time.monotonic()
            self._note(problem)
            passing_for = time.monotonic() - self._passing_since
            await asyncio.sleep(STARTING_INTERVAL if self._first_passed_at is None else check.pause(passing_for))

    async def _explained(self, probe: Probe, elsewhere: Callable[[], Awaitable[str]]) -> Probe:
        if not is_refused(probe):
            return probe
        if time.monotonic() >= self._search_at:
            self._elsewhere = await elsewhere()
            self._search_at = time.monotonic() + SEARCH_SECONDS
        return replace(probe, problem=self._elsewhere or probe.problem)

    def _note(self, problem: str) -> None:
        if problem or not self._passing_since:
            self._passing_since = time.monotonic()
        self._failures = self._failures + 1 if problem else 0
        if not problem or self.is_frozen or not self.is_healthy or self._failures >= FAILURES_UNTIL_UNHEALTHY:
            self.is_healthy = not problem
            self.unhealthy_since_ms = (self.unhealthy_since_ms or now_ms()) if problem else 0
            self.reason = problem
        self._probed.set()


def now_ms() -> int:
    """Return the wall-clock time in milliseconds since the epoch: to show, not to measure."""
    return time.time_ns() // 1_000_000


def make_check(path: str, calm_interval: float, protocol: str = HTTP1) -> Check:
    """Return a check with krane's intervals. An empty path probes by a TCP connection."""
    return Check(path=path, timeout_ms=TIMEOUT_MS, protocol=protocol, interval=INTERVAL, calm_interval=calm_interval)
