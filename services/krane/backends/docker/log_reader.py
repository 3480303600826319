"""Follows the log of an instance across its runs and replaced containers."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from services.krane.backends.docker.archived_logs import ArchivedLogs
from services.krane.backends.docker.containers import Container, Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.shared.log_lines import Line, Place, Splitter
from services.krane.types import FollowedLine, LogQuery

# Between polls for a running container.
POLL_SECONDS = 0.3
# The engine may store lines of the two streams in another order than their stamps, but never this far apart.
DISORDER_NS = 1_000_000_000


class LogReader:
    """Reads logs from the engine."""

    def __init__(self, engine: Engine, containers: Containers, archived_logs: ArchivedLogs) -> None:
        self._engine = engine
        self._containers = containers
        self._archived_logs = archived_logs

    async def follow(
        self, query: LogQuery, instance_id: str, place: Place, is_over: Callable[[], bool]
    ) -> AsyncGenerator[list[FollowedLine]]:
        """Yield new lines of one instance's log until it is over and everything was read.

        Each run is followed until it ends. Lines that came at its end or from another container are found by reading
        the whole log.
        """
        while True:
            # Asked before reading, so that everything written until then is read.
            over = is_over()
            written = await self._archived_logs.read(query.namespace, query.deployment_id, instance_id)
            splitter = Splitter()
            known = splitter.feed(written) + splitter.end()
            yield place.catch_up(known)
            if over:
                return
            container = await self._running(instance_id, is_over)
            if container is not None:
                async with aclosing(self._new_lines(container, known)) as lines:
                    async for new in lines:
                        yield [place.advance(line) for line in new]

    async def _running(self, instance_id: str, is_over: Callable[[], bool]) -> Container | None:
        """Return the container of an instance once it runs; None if it will not run."""
        while not is_over():
            await asyncio.sleep(POLL_SECONDS)
            container = await self._containers.find(instance_id)
            if container is not None and container.is_running:
                return container
        return None

    async def _new_lines(self, container: Container, known: list[Line]) -> AsyncGenerator[list[Line]]:
        """Yield the unknown lines of a run, until it ends."""
        since = max(0, known[-1].stamp - DISORDER_NS) if known else 0
        stamps = {line.stamp for line in known if line.stamp >= since}
        splitter = Splitter()
        async with aclosing(self._engine.follow_container_log(container.id, since)) as pieces:
            async for piece in pieces:
                yield [line for line in splitter.feed(piece) if line.stamp not in stamps]
