"""Both durable services over a real database, a fake krane and a fake gateway, without Restate.

A run that goes well is recorded, entry by entry of its journal, with the world as it was before each. `Bench.resume`
goes on from one of them as Restate would after a crash: what comes before is answered from the journal. There a run is
refused or cancelled, so that no test needs a list of steps, and none has to come to its step from the beginning.
"""

import asyncio
import copy
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiosqlite
from google.protobuf.message import Message
from restate import TerminalError
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from services.config import DeploySettings
from services.db.engine import Database
from services.db.gateways import register_gateway
from services.deployment.effects import Effects
from services.deployment.service import DeploymentService
from services.domain.errors import PreconditionFailed
from services.domain.status import UNDONE, DeploymentStatus
from services.durable.failpoints import Failpoints, Moment
from services.gateway.client import GatewayClient
from services.keyring import Keyring
from services.krane.client import KraneClient
from services.krane.types import BuildStatus
from services.routing.service import RoutingService
from services.routing.transactions import RoutingTransactions
from tests.conftest import sqlite_url
from tests.deployment.fakes import FakeGateways, FakeKrane, GatewaysState, KraneState
from tests.durable.fake_context import FakeContext

APEX = "interlock.localhost"
REFUSAL = "refused by the test"
NOTHING = UNDONE | {DeploymentStatus.PENDING}
# Nothing but what is live, and what was live before, goes on running.
SETTINGS = DeploySettings(keep_ready=0)


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside of the journal, at one moment."""

    database: sqlite3.Connection
    krane: KraneState
    gateways: GatewaysState


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a journal: a step, a look, or the call of another handler."""

    name: str
    # How many entries came before it, and the world then.
    index: int
    before: World
    # "<handler>/<step>"; empty: nobody announces it.
    failpoint: str
    # Where to refuse: before anything has happened, and when all has and nobody knows.
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a handler went through."""

    # "<service>/<handler>"
    handler: str
    request: Message
    context: FakeContext
    answer: Message | None
    # None: it has answered.
    error: TerminalError | None
    # When it was recorded.
    entries: tuple[Entry, ...] = ()

    @property
    def id(self) -> str:
        """Of the invocation."""
        return self.context.request().id

    @property
    def step(self) -> str:
        """The last step that it showed itself in."""
        return self.context.shown[-1]["step"]

    def undos(self) -> list[str]:
        """The undos that ran, those of called handlers included."""
        return [entry for entry in self.context.journal if is_undo(entry)]

    def failed_undos(self) -> list[str]:
        """Those that failed for good."""
        return [entry for entry in self.context.failed if is_undo(entry)]


def is_undo(entry: str) -> bool:
    """Whether an entry of a journal undoes something."""
    return "undo: " in entry or entry == "RestoreDomains"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slate:
    """All that an operation on a project could leave behind, with names in the place of ids."""

    live: str | None
    is_rolled_back: bool
    # Deployments by hostname: what follows them, what is to be served, and what the gateway serves.
    domains: Mapping[str, str]
    configs: Mapping[str, str]
    served: Mapping[str, str]
    # (deployment, id, address, healthy)
    instances: frozenset[tuple[str, str, str, bool]]
    # By deployment; those of which nothing has come do not count.
    statuses: Mapping[str, str]
    # Whether it is stopped, by deployment; one that is to be stopped may be known or not.
    in_krane: Mapping[str, bool]
    tasks: frozenset[str]
    running_builds: frozenset[str]


@dataclass(slots=True)
class Points:
    """The failpoints of all handlers: notes what is reached, and refuses at one."""

    refuse_at: str | None = None
    reached: list[str] = field(default_factory=list[str])

    def of(self, handler: str, key: str) -> Failpoints:
        return PointsOfHandler(self, handler)


@dataclass(frozen=True, slots=True)
class PointsOfHandler:
    """Those of one handler."""

    points: Points
    handler: str

    async def reach(self, step: str, moment: Moment) -> None:
        name = f"{self.handler}/{step}/{moment}"
        self.points.reached.append(name)
        if name == self.points.refuse_at:
            raise PreconditionFailed(f"{REFUSAL} at {name}")


class ConnectionWithoutThread(aiosqlite.Connection):
    """A SQLite connection that is used where it is called from: handing each statement to a thread takes longer.

    One handler runs at a time, so that nobody waits for a lock meanwhile.
    """

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)


def _forget_on_power_cut(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _connect_without_thread(_: object, __: object, ___: object, how: dict[str, Any]) -> None:
    def connect(file: str, **options: Any) -> aiosqlite.Connection:
        return ConnectionWithoutThread(lambda: sqlite3.connect(file, **options), iter_chunk_size=64)

    how["async_creator_fn"] = connect


class Bench:
    """One installation in this process."""

    def __init__(self, database: Database, file: Path, address: str) -> None:
        self.database = database
        self.krane = FakeKrane(address)
        self.gateways = FakeGateways(database)
        self._file = sqlite3.connect(file, isolation_level=None)
        self._file.execute("PRAGMA synchronous=OFF")
        self._points = Points()
        krane, gateways = cast(KraneClient, self.krane), cast(GatewayClient, self.gateways)
        transactions = RoutingTransactions(database, APEX)
        routing = RoutingService(database, gateways, transactions, timedelta(seconds=20), self._points.of)
        effects = Effects.over(database, krane, Keyring(file.parent / "secrets"), APEX, SETTINGS)
        deployment = DeploymentService(database, effects, routing, SETTINGS, self._points.of)
        self._objects = {"DeploymentService": deployment.object, "RoutingService": routing.object}
        self._runs = 0

    def close(self) -> None:
        self._file.close()

    # -- running ----------------------------------------------------------------------------------------------------

    async def run(self, handler: str, key: str, request: Message, *, repeats_effects: bool = False) -> Ran:
        """Call a handler, such as "DeploymentService/Deploy", and record it."""
        self._runs += 1
        noted: list[tuple[str, bool, int, World]] = []

        def note(name: str, is_call: bool) -> None:
            noted.append((name, is_call, len(self._points.reached), self.world()))

        context = FakeContext(
            key=key, invocation_id=f"inv_{self._runs}", repeats_effects=repeats_effects, on_entry=note
        )
        ran = await self._call(context, handler, request)
        return replace(ran, entries=tuple(self._entry(index, *one) for index, one in enumerate(noted)))

    async def resume(
        self,
        ran: Ran,
        entry: Entry,
        *,
        refused: Moment | None = None,
        is_cancelled: bool = False,
        repeats_effects: bool = False,
    ) -> Ran:
        """Go on from an entry of a recorded run, in the world as it was; it is refused or cancelled right there."""
        self.restore(entry.before)
        # Not what calls the handler that the entry is of: that has not answered yet.
        known = [name for name in ran.context.journal[: entry.index] if not entry.name.startswith(f"{name}/")]
        context = FakeContext(
            key=ran.context.key(),
            invocation_id=ran.id,
            cancel_at=(entry.name,) if is_cancelled else (),
            repeats_effects=repeats_effects,
            replayed={name: ran.context.results[name] for name in known if name in ran.context.results},
        )
        return await self._call(context, ran.handler, ran.request, refused and f"{entry.failpoint}/{refused}")

    async def _call(self, context: FakeContext, handler: str, request: Message, refuse_at: str | None = None) -> Ran:
        self._points.refuse_at, self._points.reached = refuse_at, []
        service, _, name = handler.partition("/")
        answer, error = None, None
        try:
            answer = await cast(Any, self._objects[service].handlers[name].fn)(context, request)
        except TerminalError as raised:
            error = raised
        assert context.state == {}, "the operation is still shown"
        return Ran(handler=handler, request=request, context=context, answer=answer, error=error)

    def _entry(self, index: int, name: str, is_call: bool, reached: int, before: World) -> Entry:
        # A call is announced before its entry is made, a step inside of it. Passing a call on is not announced.
        at = reached - 1 if is_call else reached
        announced = self._points.reached[at] if 0 <= at < len(self._points.reached) else ""
        failpoint, _, moment = announced.rpartition("/")
        is_announced = moment == Moment.BEFORE
        return Entry(
            name=name,
            index=index,
            before=before,
            failpoint=failpoint if is_announced else "",
            moments=(Moment.BEFORE, Moment.JOURNALED if is_call else Moment.EFFECT) if is_announced else (),
        )

    # -- the world --------------------------------------------------------------------------------------------------

    def world(self) -> World:
        """A copy of the world as it is now; nothing may be under way."""
        database = sqlite3.connect(":memory:")
        self._file.backup(database)
        return World(database, copy.deepcopy(self.krane.state), copy.deepcopy(self.gateways.state))

    def restore(self, world: World) -> None:
        """Make the world as it was."""
        world.database.backup(self._file)
        self.krane.state, self.gateways.state = copy.deepcopy(world.krane), copy.deepcopy(world.gateways)

    def rows(self, query: str, **values: str) -> list[dict[str, Any]]:
        """What a query finds."""
        cursor = self._file.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def slate(self, project_id: str, names: Mapping[str, str]) -> Slate:
        """What there is of a project, whose deployments have these ids by name."""

        def of_project(table: str, key: str, value: str) -> dict[str, Any]:
            rows = self.rows(f"select {key}, {value} from {table} where project_id = :id", id=project_id)
            return {name(row[key]): name(row[value]) for row in rows}

        def name(text: str) -> str:
            for label, identity in names.items():
                text = text.replace(identity, label)
            return text

        krane, ids = self.krane.state, names.values()
        (project,) = self.rows("select * from projects where id = :id", id=project_id)
        instances = self.rows("select * from instances")
        statuses = of_project("deployments", "id", "status")
        configs = self.rows(
            "select g.hostname, g.deployment_id from gateway_configs g join deployments d on d.id = g.deployment_id "
            "where d.project_id = :id",
            id=project_id,
        )
        return Slate(
            live=project["live_deployment_id"] and name(project["live_deployment_id"]),
            is_rolled_back=bool(project["is_rolled_back"]),
            domains=of_project("domains", "hostname", "deployment_id"),
            configs={name(row["hostname"]): name(row["deployment_id"]) for row in configs},
            served={name(host): name(target) for host, target in self.gateways.state.served.items() if target in ids},
            instances=frozenset(
                (name(one["deployment_id"]), name(one["id"]), one["address"], bool(one["healthy"]))
                for one in instances
                if one["deployment_id"] in ids
            ),
            statuses={id: status for id, status in statuses.items() if status not in NOTHING},
            in_krane={
                name(id): krane.deployments[id].is_stopped
                for id in ids
                if id in krane.deployments
                and not (krane.deployments[id].is_stopped and statuses[name(id)] == DeploymentStatus.STOPPED)
            },
            tasks=frozenset(name(id) for id in ids if id in krane.tasks),
            running_builds=frozenset(
                name(id) for id in ids if id in krane.builds and krane.builds[id].status is BuildStatus.RUNNING
            ),
        )


@asynccontextmanager
async def opened(file: Path) -> AsyncGenerator[Bench]:
    """A bench over a migrated database, with one gateway. Every instance serves an OpenAPI document at one address."""
    body = json.dumps({"openapi": "3.1.0", "paths": {}})

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    database = Database(sqlite_url(file))
    event.listen(database.engine.sync_engine, "do_connect", _connect_without_thread)
    event.listen(database.engine.sync_engine, "connect", _forget_on_power_cut)
    async with database.write() as session:
        await register_gateway(session, "gw-1", "127.0.0.1:1")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        bench = Bench(database, file, f"{host}:{port}")
        yield bench
    bench.close()
    await database.close()
