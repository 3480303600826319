import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.stack import Project, Stack

# What is not needed any more should not make the suite wait.
QUICK = {"INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.5"}
# The server suspends a handler as soon as it waits, so that every await is followed by a replay.
REPLAY = {"RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT": "0s"}

_numbers = itertools.count(1)


@pytest.fixture(scope="package", params=["normal", "always-replay"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One installation for all tests that do not take it down."""
    environment = QUICK if request.param == "normal" else QUICK | REPLAY
    running = Stack(tmp_path_factory.mktemp("stack") / "data", environment)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
async def project(stack: Stack, tmp_path: Path) -> AsyncIterator[Project]:
    """A new project."""
    async with stack.control() as control:
        slug = f"app{next(_numbers)}"
        created = await control.create_project(slug)
        yield Project(stack=stack, control=control, id=created.id, slug=slug, sources=tmp_path)
