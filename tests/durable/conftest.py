import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest

from services.durable.client import RestateClient
from services.durable.serving import App, serve
from tests.durable.sample import REQUEST, SAGA, Notes, Sample
from tests.restate_server import RestateServer, free_port

LOOPBACK = "127.0.0.1"
TIMEOUT = timedelta(seconds=30)
_numbers = count()


@dataclass(frozen=True, slots=True)
class Run:
    """One key of the sample's saga object: a run of its own."""

    client: RestateClient
    ingress_url: str
    key: str
    notes: Notes

    async def send(self) -> str:
        return await self.client.send(SAGA, self.key, "Deploy", REQUEST)

    async def result(self, invocation_id: str) -> bytes:
        return await self.client.attach(invocation_id, timeout=TIMEOUT)


@asynccontextmanager
async def serving(app: App, port: int) -> AsyncGenerator[None]:
    """The app on a loopback port, in this process."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(app, LOOPBACK, port, stop=stop, grace_seconds=1))
    try:
        await accepting(port)
        yield
    finally:
        stop.set()
        await task


async def accepting(port: int) -> None:
    """Return once something listens on the port."""
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


@pytest.fixture(scope="package")
def restate() -> Iterator[RestateServer]:
    """A Restate that keeps a waiting handler in memory."""
    with RestateServer() as server:
        yield server


@pytest.fixture(scope="package")
def replaying_restate() -> Iterator[RestateServer]:
    """A Restate that suspends a handler at every wait and replays it afterwards."""
    with RestateServer(inactivity_timeout=timedelta(0)) as server:
        yield server


@pytest.fixture(scope="package")
async def sample(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Sample, str]]:
    """The sample service, and where it is served."""
    sample, port = Sample(tmp_path_factory.mktemp("sample")), free_port()
    async with serving(sample.app(), port):
        yield sample, f"http://{LOOPBACK}:{port}"


@pytest.fixture(scope="package", params=["restate", "replaying_restate"])
async def client(
    request: pytest.FixtureRequest, sample: tuple[Sample, str]
) -> AsyncGenerator[tuple[RestateClient, str]]:
    """A client of each kind of Restate, to which the sample service is known; and its ingress."""
    server: RestateServer = request.getfixturevalue(request.param)
    async with RestateClient(server.ingress_url, server.admin_url) as client:
        await client.register(sample[1])
        yield client, server.ingress_url


@pytest.fixture
def run(client: tuple[RestateClient, str], sample: tuple[Sample, str]) -> Run:
    key = f"p_{next(_numbers)}"
    return Run(client[0], client[1], key, sample[0].notes(key))
