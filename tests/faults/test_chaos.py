"""A short chaos run on a real installation. `make chaos SEED=… MINUTES=…` runs longer ones."""

from pathlib import Path

import pytest

from services.domain.status import ENDED
from tests.end_to_end.stack import Stack
from tests.faults.chaos.checker import check
from tests.faults.chaos.history import NO_ANSWER
from tests.faults.chaos.run import SETTINGS, run

SEED = 11
SECONDS = 20.0


@pytest.mark.timeout(300)  # a busy machine takes its time to come to rest
@pytest.mark.restate
@pytest.mark.envoy
async def test_a_short_chaos_run_breaks_no_promise(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", SETTINGS)
    stack.start()
    try:
        history = await run(stack, tmp_path / "sources", SEED, SECONDS)
    finally:
        stack.stop()

    assert check(history) == []
    assert history.count_faults().total() > 3
    assert sum(probe.status != NO_ANSWER for probe in history.probes) > 100
    assert history.rest is not None
    assert {row.status for row in history.rest.deployments} <= ENDED
