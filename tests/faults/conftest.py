import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.end_to_end.stack import Stack
from tests.faults.endpoint import FOLDER_VARIABLE
from tests.faults.failpoints import FailpointFolder
from tests.faults.held import record
from tests.faults.world import World

# Tests try every n-th recorded failpoint, starting at the seed; `make faults` tries all.
EVERY = int(os.environ.get("FAULTS_EVERY", "12"))
SEED = int(os.environ.get("FAULTS_SEED", "0"))
TAKES_MINUTES = pytest.mark.skipif(EVERY > 1, reason="takes minutes: `make faults` runs it")

SETTINGS = {
    "INTERLOCK_ENDPOINT__MODULE": "tests.faults.endpoint",
    # The pause before a restart grows with every crash; here crashes are intended.
    "INTERLOCK_ENDPOINT__RESTART_PAUSE_SECONDS": "0.1",
    # Handlers continue as soon as the endpoint is back, even if a busy machine takes long to start it.
    "RESTATE_DEFAULT_RETRY_POLICY__MAX_INTERVAL": "200ms",
    "RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS": "10000",
    "INTERLOCK_DEPLOY__READY_TIMEOUT_SECONDS": "30",
    # Deployments that are not needed are retired at once.
    "INTERLOCK_DEPLOY__KEEP_READY": "0",
    # Projects are reused, and the removal of old deployments would add routing operations that tests do not expect.
    "INTERLOCK_DEPLOY__KEEP_STOPPED": "1000",
    "INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.1",
}
# With these, the reconciler repairs a difference after two seconds.
HASTY = {"INTERLOCK_DEPLOY__RECONCILE_SECONDS": "0.5", "INTERLOCK_DEPLOY__RECONCILE_GRACE_SECONDS": "2"}


@pytest.fixture(scope="package")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> FailpointFolder:
    """The folder in which failpoints are armed."""
    return FailpointFolder(tmp_path_factory.mktemp("failpoints"))


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, failpoints: FailpointFolder) -> Iterator[Stack]:
    """One installation whose endpoint fails at armed failpoints."""
    environment = SETTINGS | {FOLDER_VARIABLE: str(failpoints.folder)}
    running = Stack(tmp_path_factory.mktemp("faults") / "data", environment)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="package", params=[pytest.param((EVERY, SEED), id=f"every{EVERY}-seed{SEED}")])
async def world(
    request: pytest.FixtureRequest,
    stack: Stack,
    failpoints: FailpointFolder,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """The installation, with methods to arm failpoints and to check it."""
    every, seed = request.param
    async with stack.control() as control:
        yield World(stack, control, failpoints, tmp_path_factory.mktemp("sources"), every=every, seed=seed)


@pytest.fixture(scope="package")
async def names(world: World) -> list[str]:
    """The failpoints that a deploy and a rollback reach."""
    return await record(world)
