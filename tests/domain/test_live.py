from dataclasses import replace

import pytest

from services.domain.errors import PreconditionFailed
from services.domain.live import (
    Candidate,
    Start,
    check_has_live,
    check_promote,
    check_rollback,
    check_start,
    previous_live,
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


def test_the_previous_live_deployment_is_the_newest_older_one_that_can_serve() -> None:
    oldest = replace(EARLIER, id="d_0", generation=0)
    stopped = replace(EARLIER, status=DeploymentStatus.STOPPED)
    newer = replace(LIVE, id="d_3", generation=3)

    assert previous_live(LIVE, [oldest, EARLIER, LIVE, newer]) == EARLIER
    assert previous_live(LIVE, [oldest, stopped, LIVE]) == oldest


def test_there_may_be_no_previous_live_deployment() -> None:
    assert previous_live(LIVE, [LIVE]) is None
    assert previous_live(None, [EARLIER]) is None


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
