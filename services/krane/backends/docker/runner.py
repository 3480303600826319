"""Runs one instance in its container."""

import asyncio

from services.config import LOOPBACK
from services.domain.errors import Conflict, InterlockError, NotFound, PreconditionFailed, Unavailable
from services.domain.listening import ANY_IPV4, Expected, elsewhere
from services.krane.backends.docker.archived_logs import ArchivedLogs
from services.krane.backends.docker.containers import Container, ContainerRecord, Containers, Mark
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.lifetime import Lifetime, own_ending, undisturbed
from services.krane.backends.docker.probe import PublishedPortProber
from services.krane.backends.docker.problems import PortTaken
from services.krane.backends.docker.sockets import listeners_of, processes_of
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.shared.processes import are_stopped
from services.krane.backends.supervision.ending import NEVER_RAN, Ending


class ContainerRunner:
    """Starts, watches and ends one container. Its port is chosen at creation and stays the same."""

    def __init__(
        self,
        *,
        engine: Engine,
        containers: Containers,
        archived_logs: ArchivedLogs,
        watcher: Watcher,
        prober: PublishedPortProber,
        record: ContainerRecord,
        index: int,
        stop_grace_seconds: float,
    ) -> None:
        self._engine = engine
        self._containers = containers
        self._archived_logs = archived_logs
        self._prober = prober
        self._record = record
        self._index = index
        self._instance_id = record.instance_id(index)
        self._lifetime = Lifetime(containers, watcher, self._instance_id, stop_grace_seconds)
        self._port = 0
        self._container: Container | None = None

    @property
    def address(self) -> str:
        """Where the engine publishes the container's port."""
        return f"{LOOPBACK}:{self._port}" if self._port else ""

    async def start(self) -> None:
        """Start the container; creates it if it does not exist."""
        await undisturbed(self._start())

    async def is_started(self) -> bool:
        """Return whether the container runs."""
        container = await self._lifetime.look()
        if container is None or not container.is_running:
            return False
        self._note(container)
        return True

    async def is_frozen(self) -> bool:
        """Return whether its processes are stopped, if they can be seen from here."""
        container = self._container
        return container is not None and await asyncio.to_thread(lambda: are_stopped(processes_of(container)))

    async def elsewhere(self) -> str:
        """Say where the container listens, if its sockets can be seen from here."""
        try:
            container = await self._containers.find(self._instance_id)
        except InterlockError:
            return ""
        found = await asyncio.to_thread(listeners_of, container) if container else []
        return elsewhere(found, Expected(port=self._record.container_port, host=ANY_IPV4, is_port_settable=True))

    async def wait(self) -> Ending:
        """Wait until the container has ended or was removed."""
        container, is_seen = await self._lifetime.end()
        if container is None and self._port:
            return Ending(exit_code=None, was_stopped=False, cause="its container was removed")
        if container is None or not container.has_ended or container.mark is not Mark.NONE:
            return NEVER_RAN
        return own_ending(container, self._record.spec.run.memory_mib, is_seen=is_seen)

    async def stop(self) -> None:
        """Stop the container: SIGTERM, then SIGKILL after the grace period."""
        await self._lifetime.halt()
        self._prober.forget(self.address)

    async def move(self) -> None:
        """Do nothing: nobody else listens in its container."""

    async def forget(self) -> None:
        """Mark the container as one to start."""
        self._port = 0
        async with self._containers.changing(self._instance_id):
            container = await self._containers.find(self._instance_id)
            if container is not None and container.has_ended and container.mark is Mark.NONE:
                await self._containers.mark(container, self._instance_id, Mark.HALTED)

    async def _start(self) -> None:
        async with self._containers.changing(self._instance_id):
            container = await self._containers.find(self._instance_id)
            if container is None:
                container = await self._containers.create(self._record, self._index)
            elif container.mark in (Mark.STOPPED, Mark.DELETED):
                # It ended just when its deployment was stopped, and must keep the mark.
                raise PreconditionFailed("its deployment is being stopped")
            elif container.mark is Mark.NEXT:
                # It has replaced another container, and may have to be replaced itself.
                await self._containers.mark(container, self._instance_id, Mark.HALTED)
            try:
                await self._engine.start_container(container.id)
            except PortTaken:
                container = await self._replace()
            except (NotFound, Conflict) as error:
                raise Unavailable(f"the container of {self._instance_id} is being removed") from error
            # Not earlier: if krane is killed before this, the next one starts it again, and does not take it for ended.
            await self._containers.mark(container, self._instance_id, Mark.NONE)
            # The engine gives a container its own address when it starts.
            self._note(await self._containers.find(self._instance_id) or container)

    def _note(self, container: Container) -> None:
        self._prober.forget(self.address)
        self._port = container.port
        self._container = container
        self._prober.note(self.address, container.own_address)

    async def _replace(self) -> Container:
        """Start another container with another port. At every moment there is one with the record."""
        found = await self._containers.of_instance(self._instance_id)
        for leftover in found[1:]:
            await self._engine.remove_container(leftover.id)
        fresh = await self._containers.create(self._record, self._index, Mark.NEXT)
        for former in found[:1]:
            await self._archived_logs.remove_container(former)
        await self._engine.start_container(fresh.id)
        return fresh
