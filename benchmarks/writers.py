"""Measure how long writers of one SQLite file wait for each other, with turns and with SQLite's own lock alone.

Two processes with sixteen writers each, which read and write one row per commit, as fast as they can. Both ways are
measured in turn, on the same file.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from services.db.engine import Database
from services.domain.errors import Unavailable

PROCESSES = 2
WRITERS = 16
WAYS = ("sqlite", "turns")


@asynccontextmanager
async def _sqlite_alone(database: Database) -> AsyncGenerator[AsyncSession]:
    engine = database.engine.execution_options(interlock_write=True)
    async with AsyncSession(engine) as session, session.begin():
        yield session


async def _write(way: str, url: str, seconds: float) -> dict[str, list[float]]:
    database = Database(url)
    transaction = database.write if way == "turns" else lambda: _sqlite_alone(database)
    waited: list[float] = []
    errors: list[float] = []
    end = time.monotonic() + seconds

    async def writer() -> None:
        while (begun := time.monotonic()) < end:
            try:
                async with transaction() as session:
                    count = (await session.execute(text("select count from counter"))).scalar_one()
                    await session.execute(text("update counter set count = :count"), {"count": count + 1})
                waited.append(time.monotonic() - begun)
            except (OperationalError, Unavailable):
                errors.append(time.monotonic() - begun)

    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    await database.close()
    return {"waited": waited, "errors": errors}


def _run(way: str, url: str, seconds: float) -> tuple[list[float], int, list[int]]:
    command = [sys.executable, "-m", "benchmarks.writers", "--way", way, "--url", url, "--seconds", str(seconds)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    results = [json.loads(process.communicate()[0]) for process in processes]
    waited = [value for result in results for value in result["waited"]]
    return waited, sum(len(result["errors"]) for result in results), [len(result["waited"]) for result in results]


async def _prepare(url: str) -> None:
    database = Database(url)
    async with database.write() as session:
        await session.execute(text("create table counter (count integer)"))
        await session.execute(text("insert into counter values (0)"))
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(asyncio.run(_write(options.way, options.url, options.seconds))))
        return
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'counter.db'}"
        asyncio.run(_prepare(url))
        print(f"{'way':<8}{'commits/s':>10}{'median ms':>11}{'p99 ms':>8}{'longest ms':>12}{'errors':>8}  per process")
        for _ in range(options.rounds):
            for way in WAYS:
                waited, errors, each = _run(way, url, options.seconds)
                median, p99 = statistics.median(waited), statistics.quantiles(waited, n=100)[98]
                print(
                    f"{way:<8}{len(waited) / options.seconds:>10.0f}{median * 1000:>11.1f}{p99 * 1000:>8.0f}"
                    f"{max(waited) * 1000:>12.0f}{errors:>8}  {each}"
                )


if __name__ == "__main__":
    main()
