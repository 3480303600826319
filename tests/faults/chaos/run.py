"""One chaos run: starts everybody on an installation, waits until it comes to rest, and returns the history."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from sqlalchemy import make_url

from services.domain.errors import InterlockError
from services.domain.status import ENDED
from services.krane.client import KraneClient
from tests.end_to_end.stack import Project, Stack, eventually
from tests.faults.chaos.checker.deployments import check_rest
from tests.faults.chaos.history import Clock, History, Rest
from tests.faults.chaos.operator import Operator
from tests.faults.chaos.prober import Prober
from tests.faults.chaos.saboteur import Saboteur
from tests.faults.chaos.sampler import Sampler
from tests.faults.chaos.schedule import BEHAVIOURS, PROJECTS, draw, opening

# Short limits for bad apps and surplus deployments, so that more happens in a minute.
SETTINGS: Final = {
    "INTERLOCK_DEPLOY__READY_TIMEOUT_SECONDS": "8",
    "INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.5",
    "INTERLOCK_DEPLOY__KEEP_READY": "1",
}
OPENING_SECONDS: Final = 60.0
# Time from the last operation and fault until everything must be at rest.
REST_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.5


class Timed(Protocol):
    """Something that happens at a time, in seconds since the start."""

    @property
    def at(self) -> float: ...


TimedT = TypeVar("TimedT", bound=Timed)


async def run(stack: Stack, folder: Path, seed: int, seconds: float) -> History:
    """Run the schedule of a seed on a fresh, running installation. `folder` is for sources."""
    history, clock, schedule = History(seed=seed, seconds=seconds), Clock(), draw(seed, seconds)
    projects, sources = await _prepare(stack, folder)
    database = Path(make_url(stack.ready["database"]).database or "")
    sampler = Sampler(database, clock)
    prober = Prober(stack.ready["gateway"], sampler, clock)
    operator = Operator(stack, projects, sources, sampler, clock)
    saboteur = Saboteur(stack, database, sampler, clock)

    async with asyncio.TaskGroup() as group:
        observers = [group.create_task(sampler.run()), group.create_task(prober.run())]
        await _play(opening(), operator.run)
        await eventually(lambda: _all_ended(sampler), "what every run begins with", timeout=OPENING_SECONDS)
        await asyncio.gather(_play(schedule.operations, operator.run), _play(schedule.faults, saboteur.strike))
        history.rest = await _come_to_rest(stack, sampler)
        await prober.ask_all()
        for observer in observers:
            observer.cancel()
    sampler.close()

    history.operations, history.faults = operator.done, saboteur.struck
    history.probes, history.snapshots = prober.probes, sampler.snapshots
    return history


async def _prepare(stack: Stack, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Create projects and sources; returns the project ids, and the sources by behaviour."""
    async with stack.control() as control:
        created = [await control.create_project(f"chaos{number}") for number in range(PROJECTS)]
        first = Project(stack=stack, control=control, id=created[0].id, slug=created[0].slug, sources=folder)
        return [project.id for project in created], {b: await first.source("chaos", b) for b in BEHAVIOURS}


async def _play(items: Sequence[TimedT], act: Callable[[TimedT], Coroutine[None, None, None]]) -> None:
    """Start each item at its time, whether or not others are done; returns when all are done."""
    clock = Clock()
    async with asyncio.TaskGroup() as group:
        for item in items:
            await asyncio.sleep(max(item.at - clock.now(), 0))
            group.create_task(act(item))


async def _all_ended(sampler: Sampler) -> bool:
    await sampler.look()
    return all(row.status in ENDED for row in sampler.deployments.values())


async def _come_to_rest(stack: Stack, sampler: Sampler) -> Rest:
    """Wait until every operation has ended and krane matches; returns the state then, or at the deadline."""
    clock = Clock()
    while True:
        rest = await _observe(stack, sampler, clock.now())
        if not any(check_rest(History(seed=0, seconds=0, rest=rest))):
            return rest
        if clock.now() > REST_SECONDS:
            return replace(rest, settled_after=None)
        await asyncio.sleep(LOOK_SECONDS)


async def _observe(stack: Stack, sampler: Sampler, seconds: float) -> Rest:
    await sampler.look()
    rows = tuple(sampler.deployments.values())
    return Rest(
        settled_after=seconds,
        deployments=rows,
        ledger=await sampler.ledger(),
        krane=await _list_krane(stack),
        processes=await asyncio.to_thread(_count_processes, {row.id for row in rows}),
    )


async def _list_krane(stack: Stack) -> dict[str, str]:
    try:
        async with KraneClient(stack.ready["krane_grpc"]) as krane:
            return {state.deployment_id: state.status.value for state in await krane.list()}
    except InterlockError:
        # krane is not back yet. An empty list never counts as rest.
        return {}


def _count_processes(deployment_ids: Collection[str]) -> dict[str, int]:
    """Count this machine's processes by the deployment in their environment."""
    found: Counter[str] = Counter()
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = file.read_bytes().split(b"\0")
        except OSError:
            continue
        found.update(v.decode().partition("=")[2] for v in variables if v.startswith(b"INTERLOCK_DEPLOYMENT_ID="))
    return {deployment_id: found[deployment_id] for deployment_id in deployment_ids if found[deployment_id]}
