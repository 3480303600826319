"""Supervision of small real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.domain.errors import DeadlineExceeded, Unavailable
from services.runtime.keeper import Part
from services.runtime.supervisor import StartupJobs, Supervisor
from tests.runtime.processes import SLEEP, is_running, never_healthy, python_part, until

# Appends its name to a file when asked to stop.
NOTE_STOP = """
import signal, sys, time
def stop(*_):
    open({file!r}, "a").write({name!r} + " ")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("listening")
time.sleep(60)
"""


@dataclass
class Reports:
    """What a supervisor reported: lines about parts, and process ids."""

    lines: list[str] = field(default_factory=list)
    pids: list[Mapping[str, int]] = field(default_factory=list)

    def say(self, part: str, what: str) -> None:
        self.lines.append(f"{part}: {what}")


def create_supervisor(reports: Reports, data_dir: Path, *parts: Part, jobs: StartupJobs | None = None) -> Supervisor:
    return Supervisor(parts, jobs or {}, data_dir, say=reports.say, on_pids=reports.pids.append)


def deaf_part(data_dir: Path, *, stop_seconds: float) -> Part:
    """A part that does not stop when asked to."""
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); {SLEEP}"

    async def is_deaf() -> bool:
        return "deaf" in (data_dir / "logs" / "deaf.log").read_text()

    return python_part("deaf", code, probe=is_deaf, stop_seconds=stop_seconds)


@asynccontextmanager
async def supervised(reports: Reports, data_dir: Path, *parts: Part) -> AsyncGenerator[Supervisor]:
    """All parts started; stopped when the block ends."""
    supervisor = create_supervisor(reports, data_dir, *parts)
    running = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: bool(reports.pids) or running.done())
        yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await supervisor.stop()


async def test_a_part_starts_once_what_it_needs_is_done(tmp_path: Path) -> None:
    reports, order = Reports(), tmp_path / "order"

    async def migrate() -> None:
        order.write_text("database ")

    def note(name: str) -> str:
        return f"open({str(order)!r}, 'a').write('{name} '); {SLEEP}"

    async def first_noted() -> bool:
        return "first" in order.read_text()

    supervisor = create_supervisor(
        reports,
        tmp_path,
        python_part("second", note("second"), needs=("first",)),
        python_part("first", note("first"), probe=first_noted, needs=("database",)),
        jobs={"database": migrate},
    )
    running = asyncio.create_task(supervisor.run())
    await until(lambda: order.exists() and "second" in order.read_text())

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await supervisor.stop()
    assert order.read_text().split() == ["database", "first", "second"]
    assert set(reports.pids[0]) == {"first", "second"}


async def test_a_part_that_dies_is_started_again_and_its_new_pid_is_told(tmp_path: Path) -> None:
    reports = Reports()
    async with supervised(reports, tmp_path, python_part("worker", SLEEP), python_part("other", SLEEP)):
        first = reports.pids[0]

        os.kill(first["worker"], signal.SIGKILL)
        await until(lambda: len(reports.pids) == 2)

        assert reports.pids[1]["worker"] != first["worker"]
        assert reports.pids[1]["other"] == first["other"]
        assert is_running(reports.pids[1]["worker"])
    assert "worker: was ended by SIGKILL" in reports.lines
    assert "worker: starting again in 0.1 s" in reports.lines


async def test_a_part_that_keeps_dying_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    reports = Reports()
    async with supervised(reports, tmp_path, python_part("worker", "raise SystemExit(3)")):
        await until(lambda: "worker: starting again in 0.4 s" in reports.lines)

    pauses = [line for line in reports.lines if "again" in line]
    assert pauses[:3] == [f"worker: starting again in {pause} s" for pause in (0.1, 0.2, 0.4)]
    assert "worker: exited with code 3" in reports.lines


async def test_a_part_that_exits_before_it_is_healthy_fails_the_start_with_its_last_words(tmp_path: Path) -> None:
    reports = Reports()
    supervisor = create_supervisor(
        reports,
        tmp_path,
        python_part("broken", "raise SystemExit('no such table')", probe=never_healthy),
        python_part("sound", SLEEP),
    )

    with pytest.raises(Unavailable, match=r"(?s)broken exited with code 1 before it was healthy.*no such table"):
        await supervisor.run()

    await supervisor.stop()
    assert not reports.pids


async def test_a_part_that_is_not_healthy_in_time_fails_the_start(tmp_path: Path) -> None:
    slow = python_part("slow", f"print('thinking'); {SLEEP}", probe=never_healthy, start_seconds=0.5)
    supervisor = create_supervisor(Reports(), tmp_path, slow)

    with pytest.raises(DeadlineExceeded, match=r"(?s)slow was not healthy within .*thinking"):
        await supervisor.run()

    await supervisor.stop()


async def test_a_stop_ends_each_part_after_those_that_need_it_and_leaves_none(tmp_path: Path) -> None:
    reports, order = Reports(), tmp_path / "order"

    def part(name: str, *needs: str) -> Part:
        async def listens() -> bool:
            return "listening" in (tmp_path / "logs" / f"{name}.log").read_text()

        return python_part(name, NOTE_STOP.format(file=str(order), name=name), probe=listens, needs=needs)

    async with supervised(reports, tmp_path, part("store"), part("api", "store", "cache"), part("cache", "store")):
        pids = reports.pids[0].values()

    assert order.read_text().split() == ["api", "cache", "store"]
    assert not any(is_running(pid) for pid in pids)


async def test_a_part_that_does_not_stop_when_asked_is_killed(tmp_path: Path) -> None:
    reports = Reports()
    async with supervised(reports, tmp_path, deaf_part(tmp_path, stop_seconds=0.2)):
        pid = reports.pids[0]["deaf"]

    assert not is_running(pid)
    assert "deaf: did not stop within 0.2 s, killing it" in reports.lines


async def test_a_kill_ends_a_stop_that_waits(tmp_path: Path) -> None:
    reports = Reports()
    async with supervised(reports, tmp_path, deaf_part(tmp_path, stop_seconds=60)) as supervisor:
        asyncio.get_running_loop().call_later(0.1, supervisor.kill)

    assert not is_running(reports.pids[0]["deaf"])


async def test_parts_die_with_a_supervisor_that_is_killed_outright(tmp_path: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.runtime.supervise_a_sleeper", str(tmp_path), cwd=Path.cwd()
    )
    pid_file = tmp_path / "pid"
    await until(pid_file.exists)
    sleeper = int(pid_file.read_text())
    assert is_running(sleeper)

    supervisor.kill()
    await supervisor.wait()

    await until(lambda: not is_running(sleeper))
