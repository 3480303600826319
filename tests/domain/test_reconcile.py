from dataclasses import replace

import pytest

from services.domain.reconcile import (
    Finding,
    KraneDeployment,
    KraneTask,
    Patience,
    Recorded,
    Repair,
    Views,
    find_differences,
)
from services.domain.status import ENDED, DeploymentStatus

S = DeploymentStatus
ROW = Recorded(
    id="d_1",
    workspace_id="ws",
    project_id="p",
    status=S.READY,
    invocation_id="inv_1",
    is_cancel_requested=False,
    is_followed=True,
    has_traces=True,
)
RUNNING = KraneDeployment(id="d_1", namespace="ws", is_stopped=False)
STOPPED = replace(RUNNING, is_stopped=True)


def found(
    row: Recorded | None, one: KraneDeployment | None, *, invocations: tuple[str, ...] = (), is_busy: bool = False
) -> Repair | None:
    """The one repair for a deployment, None when all is well."""
    views = Views(
        recorded=(row,) if row else (),
        krane_deployments=(one,) if one else (),
        invocations=frozenset(invocations),
        busy_projects=frozenset({"p"} if is_busy else ()),
    )
    findings = find_differences(views)
    assert len(findings) <= 1
    return findings[0].repair if findings else None


@pytest.mark.parametrize("status", sorted(set(S) - ENDED))
def test_an_operation_that_restate_has_is_left_alone_whatever_it_looks_like(status: S) -> None:
    row = replace(ROW, status=status)

    assert [found(row, one, invocations=("inv_1",)) for one in (None, RUNNING, STOPPED)] == [None, None, None]


@pytest.mark.parametrize("status", [S.BUILDING, S.DEPLOYING, S.NETWORK])
def test_a_deployment_without_its_invocation_is_settled(status: S) -> None:
    row = replace(ROW, status=status)

    assert found(row, RUNNING, invocations=("inv_2",), is_busy=True) is Repair.FAIL
    assert found(replace(row, is_cancel_requested=True), RUNNING) is Repair.CANCEL


def test_a_pending_deployment_that_left_the_queue_is_cancelled_and_one_that_never_was_in_it_waits() -> None:
    row = replace(ROW, status=S.PENDING, has_traces=False, is_followed=False)

    assert found(row, None) is Repair.CANCEL
    assert found(replace(row, invocation_id=None), None) is None


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.SUPERSEDED, S.REMOVED])
def test_of_a_deployment_that_is_gone_nothing_may_be_left(status: S) -> None:
    row = replace(ROW, status=status, has_traces=False)

    assert found(row, None) is None
    assert found(row, STOPPED) is Repair.CLEAR
    assert found(replace(row, has_traces=True), None, is_busy=True) is Repair.CLEAR


def test_a_task_may_be_left_of_what_runs_and_of_nothing_that_is_gone_or_that_no_row_names() -> None:
    gone = replace(ROW, id="d_gone", status=S.FAILED, has_traces=False)
    krane_tasks = frozenset(KraneTask(task_id, "ws") for task_id in ("d_1", "d_gone", "d_orphan"))
    views = Views(
        recorded=(ROW, gone),
        krane_deployments=(RUNNING,),
        krane_tasks=krane_tasks,
        invocations=frozenset(),
        busy_projects=frozenset(),
    )

    found = {(finding.deployment_id, finding.repair) for finding in find_differences(views)}

    assert found == {("d_gone", Repair.CLEAR), ("d_orphan", Repair.CLEAR)}


def test_what_no_row_of_its_workspace_names_is_removed_from_krane() -> None:
    assert found(None, RUNNING) is Repair.CLEAR

    findings = find_differences(
        Views(
            recorded=(ROW,),
            krane_deployments=(RUNNING, replace(RUNNING, namespace="other")),
            invocations=frozenset(),
            busy_projects=frozenset(),
        )
    )

    assert [(finding.workspace_id, finding.repair) for finding in findings] == [("other", Repair.CLEAR)]


def test_a_ready_deployment_with_traffic_runs_and_one_without_is_left_as_it_is() -> None:
    assert found(ROW, RUNNING) is None
    assert found(ROW, STOPPED) is Repair.START
    assert found(ROW, None) is Repair.START
    assert found(replace(ROW, is_followed=False), None) is None


def test_a_stopped_deployment_does_not_run() -> None:
    row = replace(ROW, status=S.STOPPED, is_followed=False, has_traces=False)

    assert found(row, RUNNING) is Repair.STOP
    assert found(row, STOPPED) is None
    assert found(row, None) is None


def test_an_operation_under_way_answers_for_what_it_starts_and_stops() -> None:
    assert found(ROW, STOPPED, is_busy=True) is None
    assert found(replace(ROW, status=S.STOPPED), RUNNING, is_busy=True) is None


FINDING = Finding(
    deployment_id="d_1", workspace_id="ws", project_id="p", invocation_id="", repair=Repair.START, reason="it is gone"
)


def test_a_finding_is_ripe_when_every_pass_of_the_grace_has_made_it() -> None:
    patience = Patience(grace=10)

    assert [patience.ripe([FINDING], now) for now in (0, 5, 9.9)] == [(), (), ()]
    assert patience.ripe([FINDING], 10) == (FINDING,)


def test_one_pass_is_never_enough() -> None:
    patience = Patience(grace=0)

    assert patience.ripe([FINDING], 0) == ()
    assert patience.ripe([FINDING], 0) == (FINDING,)


def test_a_pass_without_the_finding_or_without_a_view_begins_anew() -> None:
    patience = Patience(grace=10)
    patience.ripe([FINDING], 0)

    patience.ripe([], 5)
    assert patience.ripe([FINDING], 10) == ()

    patience.forget()
    assert patience.ripe([FINDING], 20) == ()
    assert patience.ripe([FINDING], 30) == (FINDING,)


def test_what_was_acted_on_gets_its_time_before_it_is_acted_on_again() -> None:
    patience = Patience(grace=10)
    patience.ripe([FINDING], 0)
    assert patience.ripe([FINDING], 10) == (FINDING,)

    assert [patience.ripe([FINDING], now) for now in (11, 20)] == [(), ()]
    assert patience.ripe([FINDING], 21) == (FINDING,)


def test_another_reason_is_another_finding() -> None:
    patience = Patience(grace=10)
    patience.ripe([FINDING], 0)

    assert patience.ripe([replace(FINDING, reason="it was stopped")], 10) == ()
