"""How a container's end is understood when the engine tells it in pieces, which no test can make a real one do."""

import asyncio
import signal
from pathlib import Path

from services.krane.backends.docker.containers import INSTANCE_ID, Container, Containers, Mark
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.lifetime import Lifetime
from services.krane.backends.docker.shapes import Event
from services.krane.backends.docker.watcher import Watcher
from services.krane.backends.shared.folders import Folders

INSTANCE = "d_1-0"
CONTAINER = Container(
    id="c_1",
    mark=Mark.NONE,
    is_running=False,
    has_ended=True,
    exit_code=128 + signal.SIGKILL,
    was_out_of_memory=False,
    port=0,
)


class Ended(Containers):
    """One container that was killed, in whose state the engine does not say why."""

    async def find(self, instance_id: str) -> Container:
        return CONTAINER


def out_of_memory(container_id: str) -> Event:
    actor = {"ID": container_id, "Attributes": {INSTANCE_ID: INSTANCE}}
    return Event.model_validate({"Action": "oom", "Actor": actor})


def watched(tmp_path: Path) -> tuple[Watcher, Lifetime]:
    engine = Engine(tmp_path / "docker.sock")
    containers = Ended(engine, Folders.under(tmp_path))
    watcher = Watcher(engine, containers)
    return watcher, Lifetime(containers, watcher, INSTANCE, 1.0)


async def test_want_of_memory_that_is_told_before_the_end_is_its_cause(tmp_path: Path) -> None:
    watcher, lifetime = watched(tmp_path)
    watcher.hear(out_of_memory("c_1"))

    container, _ = await lifetime.end()

    assert container is not None
    assert container.was_out_of_memory


async def test_want_of_memory_that_is_told_after_the_end_is_its_cause(tmp_path: Path) -> None:
    watcher, lifetime = watched(tmp_path)
    ending = asyncio.create_task(lifetime.end())
    await asyncio.sleep(0)
    watcher.hear(out_of_memory("c_1"))

    container, _ = await ending

    assert container is not None
    assert container.was_out_of_memory


async def test_the_next_run_of_a_container_begins_with_no_cause(tmp_path: Path) -> None:
    watcher, lifetime = watched(tmp_path)
    watcher.hear(out_of_memory("c_1"))
    await lifetime.end()

    container, _ = await lifetime.end()

    assert container == CONTAINER


async def test_want_of_memory_of_another_container_is_none_of_this_ones_business(tmp_path: Path) -> None:
    watcher, lifetime = watched(tmp_path)
    watcher.hear(out_of_memory("c_2"))

    container, _ = await lifetime.end()

    assert container == CONTAINER
