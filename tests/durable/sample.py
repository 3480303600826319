"""A small durable service for tests: one object with a saga of every kind of step, and one that the saga calls.

What it does is noted in a folder named by the object's key, and controlled by files there, so that it can run in the
tests' process or in its own: `python -m tests.durable.sample PORT FOLDER`.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from restate import ObjectContext, VirtualObject
from restate.server import install_shutdown_hook

from services.domain.errors import NotFound, Unavailable
from services.durable.saga import Done, Failure, Saga, Wait
from services.durable.serde import expose
from services.durable.serving import App, endpoint_app, serve
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2

SAGA, CALLED = "tests.Saga", "tests.Called"
REQUEST = pb.DeployRequest(deployment_id="d_1").SerializeToString()
GRACE_SECONDS = 3.0
DEADLINE_SECONDS = 20.0


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fails when it does not in time."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


class Notes:
    """The log of one run, and the files that control it: `hold-X`, `refuse-X` and `weather-X`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    # -- for effects ---------------------------------------------------------------------------------------------------

    async def make(self, name: str) -> None:
        """An effect that waits while it is held, and fails as it is told to."""
        self._note(f"{name} begins")
        await until(lambda: not self._is_set(f"hold-{name}"))
        if self._is_set(f"refuse-{name}"):
            raise NotFound(f"there is no {name}")
        if self._is_set(f"weather-{name}"):
            raise Unavailable(f"{name} does not answer")
        self._note(f"{name} ends")

    async def unmake(self, name: str) -> None:
        self._note(f"undo {name}")

    async def look(self) -> bool:
        self._note("look")
        return not self._is_set("hold-look")

    async def record(self, failure: Failure) -> None:
        self._note(f"{'cancelled' if failure.is_cancelled else 'failed'} in {failure.step}")

    # -- for tests -----------------------------------------------------------------------------------------------------

    def tell(self, what: str, name: str) -> None:
        (self._folder / f"{what}-{name}").touch()

    def release(self, name: str) -> None:
        (self._folder / f"hold-{name}").unlink()

    def clear(self, name: str) -> None:
        (self._folder / f"weather-{name}").unlink()

    def log(self) -> list[str]:
        file = self._folder / "log"
        return file.read_text().splitlines() if file.exists() else []

    def left(self) -> set[str]:
        """What was begun and not undone since."""
        things: set[str] = set()
        for entry in self.log():
            if entry.endswith(" begins"):
                things.add(entry.removesuffix(" begins"))
            elif entry.startswith("undo "):
                things.discard(entry.removeprefix("undo "))
        return things

    async def reaches(self, entry: str, *, times: int = 1) -> None:
        await until(lambda: self.log().count(entry) >= times)

    def _note(self, entry: str) -> None:
        with (self._folder / "log").open("a") as log:
            log.write(f"{entry}\n")

    def _is_set(self, name: str) -> bool:
        return (self._folder / name).exists()


class Sample:
    """The handlers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.saga = VirtualObject(SAGA)
        self.called = VirtualObject(CALLED, ingress_private=True)
        expose(self.saga, "Deploy", self._deploy, pb.DeployRequest, pb.DeployResponse)
        expose(self.saga, "Echo", self._echo, pb.RollbackRequest, pb.RollbackResponse)
        self._assign = expose(
            self.called,
            "Assign",
            self._assign_domains,
            routing_pb2.AssignDomainsRequest,
            routing_pb2.AssignDomainsResponse,
        )
        self._restore = expose(
            self.called,
            "Restore",
            self._restore_domains,
            routing_pb2.RestoreDomainsRequest,
            routing_pb2.RestoreDomainsResponse,
        )

    def app(self, identity_key: str | None = None) -> App:
        return endpoint_app([self.saga, self.called], identity_key)

    def notes(self, key: str) -> Notes:
        return Notes(self._folder / key)

    async def _deploy(self, ctx: ObjectContext, request: pb.DeployRequest) -> pb.DeployResponse:
        key, notes = ctx.key(), self.notes(ctx.key())
        async with Saga(ctx, on_failure=notes.record) as saga:
            saga.undo("create", notes.unmake, "create")
            await saga.step("create", notes.make, "create")
            await saga.poll("poll", _decide, timedelta(seconds=DEADLINE_SECONDS), notes.look)
            operation = routing_pb2.RestoreDomainsRequest(operation_id=ctx.request().id)
            saga.undo_call("restore", self._restore, key, operation)
            await saga.call("assign", self._assign, key, routing_pb2.AssignDomainsRequest(project_id=key))
            saga.commit()
            await saga.step("ready", notes.make, "ready")
        return pb.DeployResponse(deployment_id=request.deployment_id, status="ready")

    async def _echo(self, _: ObjectContext, request: pb.RollbackRequest) -> pb.RollbackResponse:
        return pb.RollbackResponse(
            source_deployment_id=request.source_deployment_id, target_deployment_id=request.target_deployment_id
        )

    async def _assign_domains(
        self, ctx: ObjectContext, _: routing_pb2.AssignDomainsRequest
    ) -> routing_pb2.AssignDomainsResponse:
        notes = self.notes(ctx.key())
        async with Saga(ctx) as saga:
            saga.undo("route", notes.unmake, "route")
            await saga.step("route", notes.make, "route")
        return routing_pb2.AssignDomainsResponse()

    async def _restore_domains(
        self, ctx: ObjectContext, _: routing_pb2.RestoreDomainsRequest
    ) -> routing_pb2.RestoreDomainsResponse:
        async with Saga(ctx) as saga:
            await saga.step("restore", self.notes(ctx.key()).unmake, "route")
        return routing_pb2.RestoreDomainsResponse()


async def _decide(is_ready: bool) -> Wait | Done[None]:
    return Done(None) if is_ready else Wait("it is held")


async def main(port: int, folder: Path) -> None:
    stop = asyncio.Event()
    install_shutdown_hook(asyncio.get_running_loop(), stop.set, signal.SIGTERM)
    await serve(Sample(folder).app(), "127.0.0.1", port, stop=stop, grace_seconds=GRACE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
