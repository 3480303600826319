import itertools

import pytest

from services.domain.errors import Conflict
from services.domain.status import ENDED, TRANSITIONS, DeploymentStatus, advance

S = DeploymentStatus


def test_a_deployment_advances_from_pending_to_ready() -> None:
    path = [S.PENDING, S.BUILDING, S.DEPLOYING, S.NETWORK, S.READY]

    for current, wanted in itertools.pairwise(path):
        assert advance(current, wanted) is wanted


@pytest.mark.parametrize("status", [S.PENDING, S.BUILDING, S.DEPLOYING, S.NETWORK])
def test_a_deployment_may_fail_or_be_cancelled_until_it_is_ready(status: DeploymentStatus) -> None:
    assert advance(status, S.FAILED) is S.FAILED
    assert advance(status, S.CANCELLED) is S.CANCELLED


@pytest.mark.parametrize("status", list(S))
def test_a_step_that_runs_twice_changes_nothing(status: DeploymentStatus) -> None:
    assert advance(status, status) is status


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.SUPERSEDED, S.REMOVED])
@pytest.mark.parametrize("wanted", list(S))
def test_nothing_follows_an_end(status: DeploymentStatus, wanted: DeploymentStatus) -> None:
    if wanted is not status:
        with pytest.raises(Conflict, match=f"{status} cannot become {wanted}"):
            advance(status, wanted)


@pytest.mark.parametrize("wanted", [S.FAILED, S.CANCELLED, S.BUILDING, S.PENDING, S.SUPERSEDED])
def test_a_ready_deployment_can_only_be_stopped(wanted: DeploymentStatus) -> None:
    assert advance(S.READY, S.STOPPED) is S.STOPPED
    with pytest.raises(Conflict):
        advance(S.READY, wanted)


@pytest.mark.parametrize("wanted", [S.READY, S.REMOVED])
def test_a_stopped_deployment_can_serve_again_or_be_removed(wanted: DeploymentStatus) -> None:
    assert advance(S.STOPPED, wanted) is wanted


@pytest.mark.parametrize(
    ("current", "wanted"),
    [(S.PENDING, S.READY), (S.BUILDING, S.NETWORK), (S.BUILDING, S.PENDING), (S.NETWORK, S.BUILDING)],
)
def test_steps_cannot_be_skipped_or_taken_back(current: DeploymentStatus, wanted: DeploymentStatus) -> None:
    with pytest.raises(Conflict):
        advance(current, wanted)


def test_every_status_has_its_transitions_and_can_be_reached() -> None:
    reachable = {S.PENDING}.union(*TRANSITIONS.values())

    assert set(TRANSITIONS) == set(S) == reachable


def test_what_has_ended_is_what_an_operation_does_not_lead_on_from() -> None:
    working = frozenset(S) - ENDED

    assert working == {S.PENDING, S.BUILDING, S.DEPLOYING, S.NETWORK}
    assert all(S.FAILED in TRANSITIONS[status] for status in working)
