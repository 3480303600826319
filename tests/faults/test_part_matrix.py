"""Other parts than the endpoint are killed while deploys and rollbacks are held at failpoints.

The operations continue while the part is still down. Each kill hits several operations, each in another phase.
"""

import asyncio

import pytest

from tests.faults.held import PHASES, batches, hold
from tests.faults.world import World

pytestmark = [pytest.mark.restate, pytest.mark.envoy, pytest.mark.timeout(1800)]

PARTS = ("restate", "krane", "envoy", "gateway", "ctrl")


def test_the_recording_covers_the_phases(names: list[str]) -> None:
    assert set(PHASES) <= set(names)


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_is_killed_in_every_phase(world: World, names: list[str], part: str) -> None:
    for batch in batches(world.share(names, turn=PARTS.index(part), turns=2)):
        operations = await hold(world, batch)

        async with world.killed(part):
            for operation in operations:
                operation.let_go()

        await asyncio.gather(*(operation.assert_done() for operation in operations))
