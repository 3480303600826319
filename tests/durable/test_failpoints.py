import pytest
from restate import TerminalError

from services.domain.errors import PreconditionFailed
from services.durable.failpoints import Moment
from services.durable.saga import Saga
from tests.durable.fake_context import FakeContext


class Recorder:
    """Failpoints that note where a saga comes by, between its effects, and refuse at one of them."""

    def __init__(self, refuse_at: tuple[str, Moment] | None = None) -> None:
        self.seen: list[str] = []
        self._refuse_at = refuse_at

    async def reach(self, step: str, moment: Moment) -> None:
        self.seen.append(f"{step}/{moment}")
        if (step, moment) == self._refuse_at:
            raise PreconditionFailed("refused by the test")

    async def effect(self, name: str) -> None:
        self.seen.append(f"{name} happens")


async def run(failpoints: Recorder) -> None:
    async with Saga(FakeContext().as_context(), failpoints=failpoints) as saga:
        saga.undo("create", failpoints.effect, "undo")
        await saga.step("create", failpoints.effect, "create")


async def test_a_step_announces_the_moments_around_its_effect() -> None:
    failpoints = Recorder()

    await run(failpoints)

    assert failpoints.seen == ["create/before", "create happens", "create/effect", "create/journaled"]


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_refusal_at_any_moment_unwinds_and_undos_announce_theirs(moment: Moment) -> None:
    failpoints = Recorder(refuse_at=("create", moment))

    with pytest.raises(TerminalError, match="refused by the test"):
        await run(failpoints)

    unwinding = ["undo: create/before", "undo happens", "undo: create/effect", "undo: create/journaled"]
    assert failpoints.seen[-4:] == unwinding
    assert failpoints.seen[-5] == f"create/{moment}"
