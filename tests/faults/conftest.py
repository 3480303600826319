import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.end_to_end.stack import Stack
from tests.faults.endpoint import FOLDER_VARIABLE
from tests.faults.failpoints import Armoury
from tests.faults.held import record
from tests.faults.world import World

# Of the failpoints that a recording finds, every n-th is tried, beginning with the seed; `make faults` tries all.
EVERY = int(os.environ.get("FAULTS_EVERY", "12"))
SEED = int(os.environ.get("FAULTS_SEED", "0"))
TAKES_MINUTES = pytest.mark.skipif(EVERY > 1, reason="takes minutes: `make faults` runs it")

SETTINGS = {
    "INTERLOCK_ENDPOINT__MODULE": "tests.faults.endpoint",
    # A part that dies every other second is started again ever more slowly; here it is meant to die.
    "INTERLOCK_ENDPOINT__RESTART_PAUSE_SECONDS": "0.1",
    # Handlers go on as soon as the endpoint is back, however long a busy machine takes for that.
    "RESTATE_DEFAULT_RETRY_POLICY__MAX_INTERVAL": "200ms",
    "RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS": "10000",
    "INTERLOCK_DEPLOY__READY_TIMEOUT_SECONDS": "30",
    # Whatever is not needed is retired at once.
    "INTERLOCK_DEPLOY__KEEP_READY": "0",
    # Projects are used again and again: what removing the oldest withdraws would come between what is looked at.
    "INTERLOCK_DEPLOY__KEEP_STOPPED": "1000",
    "INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.1",
}
# With these, what has looked wrong to the reconciler for two seconds is repaired.
HASTY = {"INTERLOCK_DEPLOY__RECONCILE_SECONDS": "0.5", "INTERLOCK_DEPLOY__RECONCILE_GRACE_SECONDS": "2"}


@pytest.fixture(scope="package")
def armoury(tmp_path_factory: pytest.TempPathFactory) -> Armoury:
    """Where failpoints are armed."""
    return Armoury(tmp_path_factory.mktemp("failpoints"))


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, armoury: Armoury) -> Iterator[Stack]:
    """One installation whose endpoint dies where a test says so."""
    environment = SETTINGS | {FOLDER_VARIABLE: str(armoury.folder)}
    running = Stack(tmp_path_factory.mktemp("faults") / "data", environment)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="package", params=[pytest.param((EVERY, SEED), id=f"every{EVERY}-seed{SEED}")])
async def world(
    request: pytest.FixtureRequest,
    stack: Stack,
    armoury: Armoury,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """The installation with its sources uploaded, and hands to arm and to check."""
    every, seed = request.param
    async with stack.control() as control:
        yield World(stack, control, armoury, tmp_path_factory.mktemp("sources"), every=every, seed=seed)


@pytest.fixture(scope="package")
async def names(world: World) -> list[str]:
    """The failpoints of a deploy and of a rollback, as recorded."""
    return await record(world)
