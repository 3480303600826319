"""Engine and transactions. All differences between SQLite and PostgreSQL are handled here.

`Database.write()` is one transaction that holds the write lock from its first statement, so the data that it has read
cannot change before it commits. `Database.read()` is one consistent read. Code inside never commits: the block does,
when it ends without an exception.
"""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from sqlite3 import Connection as SqliteConnection
from sqlite3 import Error as SqliteError
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from services.db.turns import WriteTurns
from services.domain.errors import Unavailable

# Time that a writer waits for its turn, and SQLite then for a lock. If it takes longer, a step is retried by its own
# policy.
BUSY_TIMEOUT_MS = 5_000


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self._turns = _turns(self.engine)
        self._read = async_sessionmaker(self.engine, expire_on_commit=False)
        self._write = async_sessionmaker(
            self.engine.execution_options(interlock_write=True), expire_on_commit=False, autoflush=True
        )

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """Open a session for one consistent read; raises Unavailable if the database does not answer."""
        async with self._translated(), self._read() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        """Open a transaction that commits after the block; raises Unavailable if the database is locked or gone."""
        async with self._turn(), self._translated(), self._write() as session, session.begin():
            yield session

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        if self._turns is None:
            yield
            return
        async with AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._turns.turn(BUSY_TIMEOUT_MS / 1000))
            except TimeoutError as error:
                raise Unavailable("the database did not answer: other writers did not end") from error
            except OSError as error:
                raise Unavailable(f"the database did not answer: {error.strerror}") from error
            yield

    @asynccontextmanager
    async def _translated(self) -> AsyncGenerator[None]:
        try:
            yield
        except OperationalError as error:
            raise Unavailable(f"the database did not answer: {error.orig}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        if self._turns is not None:
            self._turns.close()


def _create_engine(url: str) -> AsyncEngine:
    # hide_parameters: errors are logged, and must not hold values that users set.
    engine = create_async_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        event.listen(engine.sync_engine, "invalidate", _release_sqlite)
    return engine


def _turns(engine: AsyncEngine) -> WriteTurns | None:
    # PostgreSQL queues writers by itself.
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return WriteTurns(file) if file else None


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions: _begin_sqlite does, with the lock that the session needs.
    driver: SqliteConnection | Any = connection
    driver.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        # WAL with NORMAL would keep commits if the process crashes, but a power cut could lose the last ones
        # (https://www.sqlite.org/pragma.html#pragma_synchronous). Routes must not be lost, so FULL.
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("interlock_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _release_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry, __: BaseException | None) -> None:
    # A cancelled task leaves its connection with an open statement. SQLite then keeps the write lock of the closed
    # connection until the statement is garbage-collected, and all others would find the database locked.
    with contextlib.suppress(SqliteError, ValueError):
        connection.rollback()
