import asyncio
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.config import ROOT
from services.domain.errors import InterlockError
from services.durable.client import RestateClient
from services.durable.serving import code_revision
from tests.durable.conftest import TIMEOUT, accepting, serving
from tests.durable.sample import REQUEST, SAGA, Sample
from tests.restate_server import RestateServer, free_port

KEY = "publickeyv1_AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9"


@asynccontextmanager
async def endpoint_process(port: int, folder: Path) -> AsyncGenerator[Process]:
    """The sample service in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.durable.sample", str(port), str(folder), cwd=ROOT
    )
    try:
        await accepting(port)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def stop(process: Process) -> float:
    """Ask the process to stop; returns how many seconds that took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    return time.monotonic() - began


@pytest.mark.restate
async def test_a_stop_suspends_a_waiting_handler_at_once_and_the_next_process_goes_on(
    restate: RestateServer, tmp_path: Path
) -> None:
    port, notes = free_port(), Sample(tmp_path).notes("p_stop")
    notes.tell("hold", "look")
    async with RestateClient(restate.ingress_url, restate.admin_url) as client:
        async with endpoint_process(port, tmp_path) as process:
            await client.register(f"http://127.0.0.1:{port}")
            invocation_id = await client.send(SAGA, "p_stop", "Deploy", REQUEST)
            await notes.reaches("look", times=2)

            assert await stop(process) < 2.0

        async with endpoint_process(port, tmp_path):
            notes.release("look")
            answer = await client.attach(invocation_id, timeout=TIMEOUT)

    assert b"ready" in answer
    assert notes.log().count("create begins") == 1
    assert not any(entry.startswith("undo") for entry in notes.log())


@pytest.mark.restate
async def test_a_stop_lets_a_running_effect_end_and_the_next_process_does_not_repeat_it(
    restate: RestateServer, tmp_path: Path
) -> None:
    port, notes = free_port(), Sample(tmp_path).notes("p_effect")
    notes.tell("hold", "create")
    async with RestateClient(restate.ingress_url, restate.admin_url) as client:
        async with endpoint_process(port, tmp_path) as process:
            await client.register(f"http://127.0.0.1:{port}")
            invocation_id = await client.send(SAGA, "p_effect", "Deploy", REQUEST)
            await notes.reaches("create begins")

            stopping = asyncio.create_task(stop(process))
            await asyncio.sleep(0)
            notes.release("create")
            await stopping

        async with endpoint_process(port, tmp_path):
            assert b"ready" in await client.attach(invocation_id, timeout=TIMEOUT)

    assert notes.log().count("create begins") == 1


@pytest.mark.restate
async def test_an_endpoint_that_is_killed_is_replaced_without_anything_being_undone(
    restate: RestateServer, tmp_path: Path
) -> None:
    port, notes = free_port(), Sample(tmp_path).notes("p_kill")
    notes.tell("hold", "look")
    async with RestateClient(restate.ingress_url, restate.admin_url) as client:
        async with endpoint_process(port, tmp_path) as process:
            await client.register(f"http://127.0.0.1:{port}")
            invocation_id = await client.send(SAGA, "p_kill", "Deploy", REQUEST)
            await notes.reaches("look", times=2)
            process.kill()
            await process.wait()

        async with endpoint_process(port, tmp_path):
            notes.release("look")
            assert b"ready" in await client.attach(invocation_id, timeout=TIMEOUT)

    assert notes.log().count("create begins") == 1
    assert not any(entry.startswith("undo") for entry in notes.log())


@pytest.mark.restate
async def test_an_endpoint_with_a_key_answers_only_what_its_restate_signed(
    restate: RestateServer, tmp_path: Path
) -> None:
    port = free_port()
    async with serving(Sample(tmp_path).app(KEY), port):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as stranger:
            statuses = [
                (await stranger.get("/discover")).status_code,
                (await stranger.post(f"/invoke/{SAGA}/Deploy", content=b"")).status_code,
            ]

        async with RestateClient(restate.ingress_url, restate.admin_url) as client:
            with pytest.raises(InterlockError):
                await client.register(f"http://127.0.0.1:{port}")

    assert statuses == [401, 401]


def test_the_code_revision_changes_with_the_code_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "b.py").write_text("b = 1\n")
    first = code_revision(tmp_path)

    (tmp_path / "a.log").write_text("noise")
    assert code_revision(tmp_path) == first

    (tmp_path / "package" / "b.py").write_text("b = 2\n")
    second = code_revision(tmp_path)
    (tmp_path / "package" / "b.py").rename(tmp_path / "package" / "c.py")
    assert len({first, second, code_revision(tmp_path)}) == 3
