"""Whether one run of an instance is healthy, as it was last probed."""

import asyncio
import time
from collections.abc import Callable

from services.domain.readiness import Probe
from services.krane.backends.shared.probe import Prober
from services.krane.types import HealthCheck

DEFAULT_INTERVAL_MS = 500
DEFAULT_TIMEOUT_MS = 2000
# Seconds between probes until the first one passes.
STARTING_INTERVAL = 0.05
# One slow answer is weather; two in a row are a state.
FAILURES_UNTIL_UNHEALTHY = 2


class Health:
    """The health of one run. It begins unhealthy; `probed` is set once that was looked at."""

    def __init__(self, probed: asyncio.Event) -> None:
        self.is_healthy = False
        self.last_probe: Probe | None = None
        self._probed = probed
        self.reason = "it was not probed yet"
        self._first_passed_at: float | None = None
        self._failures = 0

    @property
    def healthy_age(self) -> float:
        """Seconds since the first probe that passed; 0 when none did."""
        return time.monotonic() - self._first_passed_at if self._first_passed_at is not None else 0.0

    async def follow(self, prober: Prober, port: int, check: HealthCheck, on_first_passed: Callable[[], None]) -> None:
        """Probe for ever: quickly until the first probe passes, then at the check's interval."""
        while True:
            self.last_probe = await prober.probe(port, check.path, check.timeout_ms)
            problem = self.last_probe.problem
            if not problem and self._first_passed_at is None:
                on_first_passed()
                self._first_passed_at = time.monotonic()
            self._note(problem)
            await asyncio.sleep(STARTING_INTERVAL if self._first_passed_at is None else check.interval_ms / 1000)

    def _note(self, problem: str) -> None:
        self._failures = self._failures + 1 if problem else 0
        if not problem or not self.is_healthy or self._failures >= FAILURES_UNTIL_UNHEALTHY:
            self.is_healthy = not problem
            self.reason = problem
        self._probed.set()


def effective_check(asked: HealthCheck, image_path: str) -> HealthCheck:
    """How an instance is asked: as its deployment says, else its image (empty = TCP connect), else the default."""
    return HealthCheck(
        path=asked.path or image_path,
        interval_ms=asked.interval_ms or DEFAULT_INTERVAL_MS,
        timeout_ms=asked.timeout_ms or DEFAULT_TIMEOUT_MS,
    )
