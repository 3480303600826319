import asyncio
import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.db import engine
from services.db.engine import Database
from services.db.routes import next_revision, read_revision
from services.db.tables import Environment
from services.domain.errors import Conflict, Unavailable

IMPATIENT_MS = 50


async def test_connections_write_ahead_check_foreign_keys_wait_for_locks_and_sync_fully(database: Database) -> None:
    async with database.read() as session:
        pragmas = {
            name: (await session.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }

    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 2}


async def test_a_row_cannot_name_a_parent_that_does_not_exist(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            session.add(Environment(id="env_1", project_id="p_missing", slug="production", is_production=True))


async def test_writers_take_turns_from_their_first_read_on(database: Database) -> None:
    """A lost update would show as a revision below the number of writers."""

    async def count() -> None:
        async with database.write() as session:
            revision = await read_revision(session)
            await asyncio.sleep(0)
            assert await next_revision(session) == revision + 1

    await asyncio.gather(*(count() for _ in range(5)))

    async with database.read() as session:
        assert await read_revision(session) == 5


async def test_a_second_writer_waits_until_the_first_has_ended(database: Database) -> None:
    order: list[str] = []
    first_holds = asyncio.Event()

    async def first() -> None:
        async with database.write() as session:
            await read_revision(session)
            first_holds.set()
            # Long enough for the second one to run into the lock.
            await asyncio.sleep(0.05)
            order.append("first ends")

    async def second() -> None:
        await first_holds.wait()
        async with database.write() as session:
            await read_revision(session)
            order.append("second begins")

    await asyncio.gather(first(), second())

    assert order == ["first ends", "second begins"]


async def test_a_lock_that_stays_is_reported_as_weather(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", IMPATIENT_MS)
    other = sqlite3.connect(database.engine.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    try:
        with pytest.raises(Unavailable, match="database is locked"):
            async with database.write() as session:
                await read_revision(session)
    finally:
        other.close()

    async with database.write() as session:
        assert await next_revision(session) == 1


async def test_a_reader_is_not_held_up_by_a_writer_and_sees_what_was_before(database: Database) -> None:
    async with database.write() as writer:
        await next_revision(writer)
        await writer.flush()

        async with database.read() as reader:
            assert await read_revision(reader) == 0


async def test_a_read_is_one_consistent_view(database: Database) -> None:
    async with database.read() as reader:
        assert await read_revision(reader) == 0
        async with database.write() as writer:
            await next_revision(writer)

        reader.expire_all()
        assert await read_revision(reader) == 0


async def test_nothing_is_written_when_the_block_raises(database: Database) -> None:
    async def change_my_mind() -> None:
        async with database.write() as session:
            await next_revision(session)
            raise Conflict("changed my mind")

    with pytest.raises(Conflict):
        await change_my_mind()

    async with database.read() as session:
        assert await read_revision(session) == 0


async def test_a_missing_database_is_reported_as_weather() -> None:
    database = Database("sqlite+aiosqlite:////nowhere/at/all.db")

    with pytest.raises(Unavailable, match="unable to open"):
        async with database.read() as session:
            await read_revision(session)

    await database.close()


async def test_writers_of_a_process_take_turns_in_their_order(database: Database) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.write() as session:
            order.append(number)
            await next_revision(session)

    await asyncio.gather(*(write(number) for number in range(20)))

    assert order == list(range(20))


async def test_processes_that_write_without_a_pause_alternate(database: Database) -> None:
    other = Database(database.url)
    order: list[str] = []

    async def write(of: Database, name: str) -> None:
        async with of.write() as session:
            order.append(name)
            await next_revision(session)

    # Two databases share nothing but the files, as two processes do.
    async with database.write() as session:
        await next_revision(session)
        writers = [
            asyncio.create_task(write(of, name)) for of, name in ((database, "a"), (other, "b")) for _ in range(9)
        ]
        # Both have a first writer that waits: one for the turn, the other behind it.
        await asyncio.sleep(0.05)
    await asyncio.gather(*writers)
    await other.close()

    # SQLite alone lets one of them write all of its nine first.
    assert order[:12].count("a") == 6


async def test_a_turn_that_does_not_come_is_reported_as_weather(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(database.url)
    async with database.write() as session:
        await next_revision(session)
        monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", IMPATIENT_MS)
        with pytest.raises(Unavailable, match="other writers did not end"):
            async with other.write():
                pass
    async with other.write() as session:
        assert await next_revision(session) == 2
    await other.close()
