from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import PreconditionFailed
from services.domain.live import (
    Candidate,
    LiveMove,
    Start,
    check_has_live,
    check_promote,
    check_rollback,
    check_start,
    previous_live,
    way_back,
)
from services.domain.readiness import InstanceState, InstanceStatus
from services.domain.status import DeploymentStatus

LIVE = Candidate(id="d_2", environment_id="production", is_production=True, generation=2, status=DeploymentStatus.READY)
EARLIER = replace(LIVE, id="d_1", generation=1)
UNFIT = sorted(set(DeploymentStatus) - {DeploymentStatus.READY, DeploymentStatus.STOPPED})


# -- rollback ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [DeploymentStatus.READY, DeploymentStatus.STOPPED])
def test_live_may_go_back_to_a_deployment_that_can_serve(status: DeploymentStatus) -> None:
    check_rollback("d_2", LIVE, replace(EARLIER, status=status))


def test_a_rollback_to_itself_is_refused() -> None:
    with pytest.raises(PreconditionFailed, match="d_2 is both source and target"):
        check_rollback("d_2", LIVE, LIVE)


def test_a_rollback_to_another_environment_is_refused() -> None:
    with pytest.raises(PreconditionFailed, match="another environment"):
        check_rollback("d_2", LIVE, replace(EARLIER, environment_id="preview", is_production=False))


@pytest.mark.parametrize(("live_id", "now"), [("d_3", "d_3 is"), (None, "nothing is")])
def test_a_rollback_from_what_is_not_live_is_refused(live_id: str | None, now: str) -> None:
    with pytest.raises(PreconditionFailed, match=f"d_2 is not live, {now}"):
        check_rollback(live_id, LIVE, EARLIER)


@pytest.mark.parametrize("status", UNFIT)
def test_a_rollback_to_a_deployment_that_never_served_is_refused(status: DeploymentStatus) -> None:
    with pytest.raises(PreconditionFailed, match=f"d_1 is {status}"):
        check_rollback("d_2", LIVE, replace(EARLIER, status=status))


# -- promote ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_another_deployment_that_can_serve_may_be_promoted(is_rolled_back: bool) -> None:
    check_promote("d_1", LIVE, is_rolled_back=is_rolled_back)


def test_promoting_the_live_deployment_ends_the_rolled_back_state_and_is_refused_otherwise() -> None:
    check_promote("d_2", LIVE, is_rolled_back=True)
    with pytest.raises(PreconditionFailed, match="d_2 is already live"):
        check_promote("d_2", LIVE, is_rolled_back=False)


def test_a_preview_is_never_promoted() -> None:
    with pytest.raises(PreconditionFailed, match="not in production"):
        check_promote("d_1", replace(LIVE, environment_id="preview", is_production=False), is_rolled_back=True)


@pytest.mark.parametrize("status", UNFIT)
def test_a_deployment_that_cannot_serve_is_never_promoted(status: DeploymentStatus) -> None:
    with pytest.raises(PreconditionFailed, match=f"d_2 is {status}"):
        check_promote("d_1", replace(LIVE, status=status), is_rolled_back=False)


def test_nothing_is_promoted_in_a_project_without_a_live_deployment() -> None:
    with pytest.raises(PreconditionFailed, match="no live deployment"):
        check_promote(None, LIVE, is_rolled_back=False)


# -- who was live before ----------------------------------------------------------------------------------------------


IDS = ("d_0", "d_1", "d_2", "d_3")
KNOWN = [replace(LIVE, id=id, generation=index) for index, id in enumerate(IDS)]


def moves_of(steps: Sequence[tuple[str, bool]]) -> list[LiveMove]:
    """Live goes to each of `steps` in turn; those with True are rollbacks."""
    befores: list[str | None] = [None, *(after for after, _ in steps)]
    return [
        LiveMove(before=before, after=after, is_rollback=is_rollback)
        for before, (after, is_rollback) in zip(befores, steps, strict=False)
    ]


def previous(*steps: str, known: Sequence[Candidate] = KNOWN) -> str | None:
    """Return what a rollback goes to after `steps`; those with a "<" in front are rollbacks."""
    moves = moves_of([(step.removeprefix("<"), step.startswith("<")) for step in steps])
    found = previous_live(next((c for c in known if c.id == moves[-1].after), None), way_back(moves), known)
    return found.id if found else None


def test_after_a_promote_of_an_older_one_the_newer_one_was_live_before() -> None:
    assert previous("d_0", "d_1", "d_2", "d_0") == "d_2"
    assert previous("d_0", "d_1", "d_2", "d_0", "<d_2") == "d_1"


def test_a_second_rollback_goes_further_back() -> None:
    assert previous("d_0", "d_1", "d_2", "<d_1") == "d_0"
    assert previous("d_0", "d_1", "d_2", "<d_1", "<d_0") is None


def test_a_rollback_to_one_that_was_never_live_leaves_the_way_back_as_it_was() -> None:
    assert previous("d_0", "d_1", "<d_3") == "d_0"


def test_a_promote_after_a_rollback_leads_back_to_where_the_rollback_went() -> None:
    assert previous("d_0", "d_1", "d_2", "<d_1", "d_3") == "d_1"


@pytest.mark.parametrize("status", UNFIT)
def test_the_way_back_passes_over_what_can_no_longer_serve(status: DeploymentStatus) -> None:
    known = [replace(c, status=status) if c.id == "d_1" else c for c in KNOWN]

    assert previous("d_0", "d_1", "d_2", known=known) == "d_0"
    assert previous("d_1", "d_2", "d_1", "d_2", known=known) is None


def test_the_way_back_stays_in_the_environment_of_live() -> None:
    known = [replace(c, environment_id="other") if c.id == "d_1" else c for c in KNOWN]

    assert previous("d_0", "d_1", "d_2", known=known) == "d_0"


def test_there_may_be_no_previous_live_deployment() -> None:
    assert previous("d_0") is None
    assert previous_live(None, ["d_1"], KNOWN) is None


histories = st.lists(st.tuples(st.sampled_from(IDS), st.booleans()), min_size=1, max_size=12).map(
    lambda steps: [
        step for step, before in zip(steps, [None, *steps], strict=False) if not before or step[0] != before[0]
    ]
)
statuses = st.lists(st.sampled_from(DeploymentStatus), min_size=len(IDS), max_size=len(IDS))


@given(history=histories, states=statuses)
def test_a_rollback_goes_to_what_was_live_and_can_serve(
    history: list[tuple[str, bool]], states: list[DeploymentStatus]
) -> None:
    known = [replace(c, status=status) for c, status in zip(KNOWN, states, strict=True)]
    current = next(c for c in known if c.id == history[-1][0])

    found = previous_live(current, way_back(moves_of(history)), known)

    if found is not None:
        assert found.id in {id for id, _ in history[:-1]} - {current.id}
        check_rollback(current.id, current, found)


@given(history=histories, promoted=st.sampled_from(IDS))
def test_a_rollback_undoes_a_promote(history: list[tuple[str, bool]], promoted: str) -> None:
    live = history[-1][0]
    if promoted != live:
        way = way_back(moves_of([*history, (promoted, False)]))

        assert previous_live(next(c for c in KNOWN if c.id == promoted), way, KNOWN) == KNOWN[IDS.index(live)]


@given(history=histories)
def test_rollbacks_in_a_row_come_to_an_end(history: list[tuple[str, bool]]) -> None:
    steps = list(history)
    for _ in range(len(history)):
        current = KNOWN[IDS.index(steps[-1][0])]
        found = previous_live(current, way_back(moves_of(steps)), KNOWN)
        if found is None:
            return
        steps.append((found.id, True))
    pytest.fail(f"rollbacks never end: {steps}")


# -- how it would start -----------------------------------------------------------------------------------------------

HEALTHY = InstanceState(id="i_1", address="127.0.0.1:9000", status=InstanceStatus.RUNNING, healthy=True)


def test_a_deployment_that_runs_and_is_healthy_starts_warm() -> None:
    assert check_start("d_1", 2, [HEALTHY, replace(HEALTHY, id="i_2")]) is Start.WARM


def test_a_deployment_that_is_stopped_or_gone_starts_cold() -> None:
    assert check_start("d_1", 1, None) is Start.COLD


@pytest.mark.parametrize(
    "instances",
    [[], [replace(HEALTHY, healthy=False)], [replace(HEALTHY, status=InstanceStatus.FAILED, healthy=False)]],
)
def test_a_deployment_that_runs_unhealthy_does_not_start_at_all(instances: list[InstanceState]) -> None:
    with pytest.raises(PreconditionFailed, match=r"d_1 cannot take traffic: .*; choose another"):
        check_start("d_1", 1, instances)


def test_a_project_without_a_live_deployment_has_nowhere_to_move_from() -> None:
    assert check_has_live("d_1") == "d_1"
    with pytest.raises(PreconditionFailed, match="no live deployment"):
        check_has_live(None)
