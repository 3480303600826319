"""One instance, from its first start to its end. The backend's runner runs it.

    PENDING ──> RUNNING ──ended by itself, never healthy──> FAILED
       ^           └───────ended, was healthy───┐
       └─────────────waits, growing─────────────┘
    any ──stop──> TERMINATING ──> STOPPED

A keeper task owns the state while the instance is wanted. `stop` ends the keeper and then the run. `release` ends only
the keeper; the keeper of the next krane takes the run over. If the backend does not answer, a start is repeated until
it does.
"""

import asyncio
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from services.domain.errors import Refusal, Unavailable
from services.domain.readiness import InstanceStatus
from services.krane.backends.hosted.health import Check, Health, now_ms
from services.krane.backends.hosted.probe import Prober, is_refused
from services.krane.backends.hosted.runner import InstanceRunner
from services.krane.backends.shared.files import Record
from services.krane.backends.supervision.ending import Ending
from services.krane.types import InstanceReport
from services.telemetry import get_logger

log = get_logger(__name__)

# Seconds before the first restart. Doubled for each further one.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
# A run that lasts this many seconds after its first passed probe has recovered: the pauses start small again.
RECOVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What later runs need to know of earlier ones, also under the next krane."""

    was_healthy: bool = False
    restarts: int = 0
    # Of the runs that ended by themselves or were lost: how many in a row did so before they had recovered, how the
    # last one ended, and when, in milliseconds since the epoch.
    crashes: int = 0
    last_end: str = ""
    last_end_ms: int = 0


HISTORY = TypeAdapter(History)


class HostedInstance:
    """One running copy of a deployment."""

    def __init__(
        self, instance_id: str, runner: InstanceRunner, record: Record[History], check: Check, prober: Prober
    ) -> None:
        self.id = instance_id
        self._runner = runner
        self._check = check
        self._prober = prober
        self._record = record
        self._history = self._record.read() or History()
        self._keeper: asyncio.Task[None] | None = None
        self._status = InstanceStatus.STOPPED
        self._reason = "it is stopped"
        self._settled = asyncio.Event()
        self._health = Health(self._settled)
        # host:port; empty = none.
        self._address = ""
        self._exit_code: int | None = None
        self._pause = FIRST_PAUSE
        # When the status last changed, in milliseconds since the epoch.
        self._changed_ms = now_ms()

    @property
    def report(self) -> InstanceReport:
        """The state as last observed."""
        is_running = self._status is InstanceStatus.RUNNING
        return InstanceReport(
            id=self.id,
            # Requests to a frozen run would wait for ever; without an address gateways answer at once.
            address="" if is_running and self._health.is_frozen else self._address,
            status=self._status,
            healthy=is_running and self._health.is_healthy,
            reason=self._explained(self._health.reason) if is_running else self._reason,
            exit_code=self._exit_code,
            restarts=self._history.restarts,
            crashes=0 if is_running and self._has_recovered else self._history.crashes,
            last_end=self._history.last_end,
            last_end_ms=self._history.last_end_ms,
            unhealthy_since_ms=self._health.unhealthy_since_ms if is_running else self._changed_ms,
            last_probe=self._health.last_probe,
        )

    async def probe(self) -> InstanceReport:
        """Probe the instance now, and return its state."""
        if self._status is InstanceStatus.RUNNING and not self._health.is_frozen:
            check = self._check
            found = await self._prober.probe(self._address, check.path, check.timeout_ms, check.protocol)
            if is_refused(found):
                found = replace(found, problem=await self._runner.elsewhere() or found.problem)
            if found.problem:
                return replace(self.report, healthy=False, reason=self._explained(found.problem), last_probe=found)
        return self.report

    @property
    def _has_recovered(self) -> bool:
        return self._health.healthy_age > RECOVERY_SECONDS

    def _explained(self, problem: str) -> str:
        """Add to a problem how the run before ended: that is often its cause."""
        last_end = self._history.last_end
        return f"{problem}; the run before ended: {last_end}" if problem and last_end else problem

    @property
    def _is_kept(self) -> bool:
        return self._keeper is not None and not self._keeper.done()

    async def start(self) -> None:
        """Keep it running. Earlier runs no longer count: an instance that failed gets a new try."""
        if not self._is_kept:
            self._remember(History())
            await self._runner.forget()
            self.adopt()

    def adopt(self) -> None:
        """Keep it running, starting from what an earlier krane left: a run, or the way it ended."""
        self._become(InstanceStatus.PENDING, "it is being started")
        self._exit_code = None
        self._pause = FIRST_PAUSE
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.id}")

    async def settle(self) -> None:
        """Wait until the state of an adopted instance is known: it was probed, or does not run."""
        await self._settled.wait()

    async def stop(self) -> None:
        """End its run and everything that the run started."""
        self._become(InstanceStatus.TERMINATING, "it is being stopped")
        await self.release()
        await self._runner.stop()
        self._become(InstanceStatus.STOPPED, "it is stopped")

    async def release(self) -> None:
        """Stop supervising it, and leave its run alone."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        try:
            await self._keep_running()
        except Refusal as error:
            self._settled.set()
            self._fail(error.message)
        # Any exception: an instance without a keeper must not be reported as it last was.
        except Exception as error:
            self._settled.set()
            self._become(InstanceStatus.FAILED, f"krane could not keep it running: {error}")
            log.exception("instance could not be kept", instance_id=self.id)
        finally:
            self._address = ""

    async def _keep_running(self) -> None:
        ending = await self._take_over()
        self._settled.set()
        while not self._is_final(ending):
            if not ending.was_stopped:
                await self._wait_before_restart(ending)
            await self._begin()
            ending = await self._watch()
            if ending.is_own and not self._health.healthy_age:
                await self._runner.move()
        self._exit_code = ending.exit_code
        self._fail(f"{ending.reason} before it was ever healthy")

    async def _take_over(self) -> Ending:
        if await self._runner.is_started():
            log.info("instance adopted", instance_id=self.id)
            return await self._watch()
        return await self._runner.wait()

    async def _begin(self) -> None:
        """Begin a run. Wait for the backend as long as it does not answer."""
        while True:
            try:
                return await self._runner.start()
            except Unavailable as error:
                self._become(InstanceStatus.PENDING, f"{error.message}; krane tries again in {self._pause:.1f} s")
                log.warning("instance cannot be started yet", instance_id=self.id, reason=error.message)
                await self._rest()

    async def _watch(self) -> Ending:
        """Probe the run until it ends."""
        self._health = Health(self._settled)
        self._address = self._runner.address
        self._become(InstanceStatus.RUNNING, "")
        probing = asyncio.create_task(
            self._health.follow(
                self._prober,
                self._runner.address,
                self._check,
                self._note_was_healthy,
                self._runner.elsewhere,
                self._runner.is_frozen,
            ),
            name=f"probe {self.id}",
        )
        try:
            ending = await self._runner.wait()
        finally:
            probing.cancel()
        return ending

    def _is_final(self, ending: Ending) -> bool:
        return ending.is_own and not self._history.was_healthy

    async def _wait_before_restart(self, ending: Ending) -> None:
        crashes = 1 if self._has_recovered else self._history.crashes + 1
        if self._has_recovered:
            self._pause = FIRST_PAUSE
        self._become(InstanceStatus.PENDING, f"{ending.reason}; krane starts it again in {self._pause:.1f} s")
        self._exit_code = ending.exit_code
        # The address of the next run.
        self._address = self._runner.address
        log.warning("instance ended", instance_id=self.id, reason=ending.reason, pause_seconds=self._pause)
        self._remember(
            replace(
                self._history,
                restarts=self._history.restarts + 1,
                crashes=crashes,
                last_end=ending.reason,
                last_end_ms=self._changed_ms,
            )
        )
        await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _fail(self, reason: str) -> None:
        self._become(InstanceStatus.FAILED, reason)
        log.warning("instance failed", instance_id=self.id, reason=reason)

    def _note_was_healthy(self) -> None:
        log.info("instance healthy", instance_id=self.id, address=self._address)
        self._remember(replace(self._history, was_healthy=True))

    def _remember(self, history: History) -> None:
        if history != self._history:
            self._history = history
            try:
                self._record.write(history)
            except OSError:
                # A full disk must not end a working instance. The next krane will only know less.
                log.exception("instance history could not be written", instance_id=self.id)

    def _become(self, status: InstanceStatus, reason: str) -> None:
        self._status = status
        self._reason = reason
        self._changed_ms = now_ms()
