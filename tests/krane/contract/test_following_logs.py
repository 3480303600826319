"""Logs as they are written: over runs, ends and deletions, and taken up again behind the last line that was seen."""

import asyncio
import signal
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Invalid, Unavailable
from services.krane.client import KraneClient
from services.krane.types import FollowedLine, LogQuery
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Kind, Krane, krane_process
from tests.krane.support import NAMESPACE, ask, healthy, instance_when, spec, tell, until

# Seconds for lines to come.
PATIENCE = 15.0


class Reader:
    """Follows a log in the background."""

    def __init__(self, client: KraneClient, query: LogQuery) -> None:
        self.lines: list[FollowedLine] = []
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._read(client, query))

    async def _read(self, client: KraneClient, query: LogQuery) -> None:
        async with aclosing(client.follow_logs(query)) as lines:
            async for line in lines:
                self.lines.append(line)
                self._came.set()

    @property
    def texts(self) -> list[str]:
        """The lines without what only fills them, or tells backends apart."""
        return [line.text.partition(" --port")[0].rstrip(" .") for line in self.lines]

    async def until(self, text: str) -> list[str]:
        """The lines, as soon as there is one with that text."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.texts:
                self._came.clear()
                await self._came.wait()
        return self.texts

    async def ended(self) -> list[str]:
        """The lines, when no more can come."""
        async with asyncio.timeout(PATIENCE):
            await self._task
        return self.texts

    async def leave(self) -> dict[str, str]:
        """Stop to read; the cursors of the last lines."""
        self._task.cancel()
        await asyncio.wait([self._task])
        return {line.instance_id: line.cursor for line in self.lines}


def query_of(deployment_id: str) -> LogQuery:
    return LogQuery(namespace=NAMESPACE, deployment_id=deployment_id, follow=True)


def numbered(count: int) -> list[str]:
    return [f"line {number}" for number in range(count)]


async def test_lines_come_as_they_are_written_until_the_deployment_is_stopped(krane: Krane) -> None:
    await krane.create("follow-1")
    instance = await healthy(krane.client, "follow-1")
    reader = Reader(krane.client, query_of("follow-1"))
    assert await reader.until("arguments") == ["arguments"]

    await ask(instance, "/print?lines=3")
    assert await reader.until("line 2") == ["arguments", *numbered(3)]
    await krane.client.stop(NAMESPACE, "follow-1")

    assert await reader.ended() == ["arguments", *numbered(3)]
    assert [line.at_ms for line in reader.lines] == sorted(line.at_ms for line in reader.lines)
    assert len({line.cursor for line in reader.lines}) == 4


async def test_following_goes_on_over_the_runs_of_an_instance(krane: Krane) -> None:
    await krane.create("follow-2")
    reader = Reader(krane.client, query_of("follow-2"))

    await tell(await healthy(krane.client, "follow-2"), "/exit?code=3")
    again = await instance_when(krane.client, "follow-2", lambda one: one.restarts == 1 and one.healthy)
    await ask(again, "/print?lines=1")
    await reader.until("line 0")
    await krane.client.delete(NAMESPACE, "follow-2")

    assert await reader.ended() == ["arguments", "arguments", "line 0"]


async def test_a_stream_is_taken_up_behind_the_last_line_that_was_seen(krane: Krane) -> None:
    await krane.create("follow-3")
    instance = await healthy(krane.client, "follow-3")
    first = Reader(krane.client, query_of("follow-3"))
    await ask(instance, "/print?lines=3")
    await first.until("line 2")
    cursors = await first.leave()

    await ask(instance, "/print?lines=2")
    second = Reader(krane.client, replace(query_of("follow-3"), after=cursors, tail_lines=1))
    await second.until("line 1")
    cursors = await second.leave()
    await krane.client.delete(NAMESPACE, "follow-3")
    rest = Reader(krane.client, replace(query_of("follow-3"), after=cursors))

    assert second.texts == numbered(2)
    assert not second.lines[0].is_after_gap
    assert await rest.ended() == []


async def test_what_is_there_is_chosen_by_number_and_time(krane: Krane) -> None:
    await krane.create("follow-4")
    instance = await healthy(krane.client, "follow-4")
    await ask(instance, "/print?lines=4")

    async def is_written() -> bool:
        # The answer came from the app; its lines are still on their way into the log.
        return len(await krane.client.logs(NAMESPACE, "follow-4")) == 5

    await until(is_written)
    there = replace(query_of("follow-4"), follow=False)
    everything = Reader(krane.client, there)
    assert await everything.ended() == ["arguments", *numbered(4)]
    latest = everything.lines[-1].at_ms

    by_number = Reader(krane.client, replace(there, tail_lines=2))
    by_time = Reader(krane.client, replace(there, since_ms=latest))
    nothing = Reader(krane.client, replace(there, since_ms=latest + 60_000))

    assert await by_number.ended() == ["line 2", "line 3"]
    assert (await by_time.ended())[-1] == "line 3"
    assert all(line.at_ms >= latest for line in by_time.lines)
    assert await nothing.ended() == []
    assert [line.text for line in everything.lines] == [
        line.text for line in await krane.client.logs(NAMESPACE, "follow-4")
    ]


async def test_lines_of_another_workspace_are_not_followed(krane: Krane) -> None:
    await krane.create("follow-5")
    await healthy(krane.client, "follow-5")

    stranger = Reader(krane.client, replace(query_of("follow-5"), namespace="stranger", build=True))

    assert await stranger.ended() == []


@pytest.mark.parametrize("cursor", ["", "1", "1+", "+1", "1+1 ", "x+1", f"{'9' * 20}+1"])
async def test_what_is_no_cursor_is_refused(krane: Krane, cursor: str) -> None:
    await krane.create("follow-6")
    query = replace(query_of("follow-6"), after={"follow-6-0": cursor})

    with pytest.raises(Invalid, match="is not a cursor"):
        await Reader(krane.client, query).ended()


@pytest.mark.needs(Needs.RESTARTS)
async def test_no_line_is_lost_or_comes_twice_when_krane_goes_and_comes_back(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        await client.create(spec("follow-7", await kind.image(client)))
        instance = await healthy(client, "follow-7")
        seen: list[str] = []
        cursors: dict[str, str] = {}

        for number in (signal.SIGKILL, signal.SIGTERM):
            reader = Reader(client, replace(query_of("follow-7"), after=cursors))
            await ask(instance, "/print?lines=2")
            await reader.until("line 1")
            await process.end(number)
            with pytest.raises(Unavailable):
                await reader.ended()
            seen += reader.texts
            cursors = await reader.leave()
            await ask(instance, "/print?lines=1")
            await process.start()
        last = Reader(client, replace(query_of("follow-7"), after=cursors))
        await last.until("line 0")
        await client.stop(NAMESPACE, "follow-7")

        lines = seen + await last.ended()
        assert lines == ["arguments", *numbered(2), *numbered(1), *numbered(2), *numbered(1)]
