"""The database is locked or blocked while deploys and rollbacks are held at failpoints, and then continue."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.end_to_end.stack import ROOT
from tests.faults.conftest import TAKES_MINUTES
from tests.faults.held import PHASES, batches, hold
from tests.faults.hold_database import HELD
from tests.faults.world import World

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(900)]

MOMENT_SECONDS = 2.0
# Longer than a step is retried.
LONG_SECONDS = 70.0

Trouble = Callable[[Path], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def locked(file: Path) -> AsyncGenerator[None]:
    """Block all other writers."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=10)
    connection.execute("begin immediate")
    try:
        yield
    finally:
        connection.close()


@asynccontextmanager
async def away(file: Path) -> AsyncGenerator[None]:
    """Block all other readers and writers."""
    pipe = asyncio.subprocess.PIPE
    argv = (sys.executable, "-m", "tests.faults.hold_database", str(file))
    holder = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, cwd=ROOT)
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert (await holder.stdout.readline()).decode().strip() == HELD
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


TROUBLES = (locked, away)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_operations_outlast_a_moment_without_the_database(
    world: World, names: list[str], trouble: Trouble
) -> None:
    for batch in batches(world.share(names, turn=TROUBLES.index(trouble), turns=len(TROUBLES))):
        operations = await hold(world, batch)

        async with trouble(_file(world)):
            for operation in operations:
                operation.let_go()
            await asyncio.sleep(MOMENT_SECONDS)

        await asyncio.gather(*(operation.assert_done() for operation in operations))


@TAKES_MINUTES
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_operations_happen_or_undo_themselves_when_the_database_stays_away(
    world: World, trouble: Trouble
) -> None:
    operations = await hold(world, PHASES)

    async with world.answering(), trouble(_file(world)):
        for operation in operations:
            operation.let_go()
        await asyncio.sleep(LONG_SECONDS)

    await asyncio.gather(*(operation.assert_done_or_undone() for operation in operations))


def _file(world: World) -> Path:
    return Path(make_url(world.stack.ready["database"]).database or "")
