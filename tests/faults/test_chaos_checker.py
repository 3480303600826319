"""The checker of chaos runs finds every violation and nothing else, in histories of one project written by hand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

import pytest

from services.domain.status import DeploymentStatus
from tests.faults.chaos.checker import check
from tests.faults.chaos.history import (
    DeploymentRow,
    Done,
    History,
    HostnameRow,
    Ledger,
    Moved,
    Outcome,
    Probe,
    ProjectRow,
    Rest,
    Snapshot,
    Span,
    Struck,
)
from tests.faults.chaos.schedule import Act, Blow, Operation, draw

PROJECT = "p"
LIVE, COMMIT = "live.test", "commit.test"
READY, STOPPED = DeploymentStatus.READY, DeploymentStatus.STOPPED


def test_a_good_history_breaks_no_promise() -> None:
    assert promises(history()) == []


def test_the_same_seed_is_the_same_schedule_and_another_one_is_not() -> None:
    assert draw(7, 60) == draw(7, 60)
    assert draw(7, 60) != draw(8, 60)


def test_ten_minutes_hold_at_least_500_operations_and_200_faults() -> None:
    schedules = [draw(seed, 600) for seed in range(20)]

    assert min(len(schedule.operations) for schedule in schedules) >= 500
    assert min(len(schedule.faults) for schedule in schedules) >= 200
    assert {act for schedule in schedules for act in _acts(schedule.operations)} == set(Act)


class TestReadsOfTheDatabase:
    """I1 and I2."""

    def test_a_hostname_and_its_gateway_config_that_differ_are_seen(self) -> None:
        bad = history()
        bad.snapshots[1] = replace(bad.snapshots[1], hostnames={LIVE: replace(names("d1"), config_deployment_id="d2")})

        assert "I2" in promises(bad)

    def test_a_live_domain_that_is_not_at_the_live_deployment_is_seen(self) -> None:
        bad = history()
        bad.snapshots[1] = replace(bad.snapshots[1], hostnames={LIVE: names("d1")})

        assert "I2" in promises(bad)

    def test_a_hostname_that_names_what_does_not_run_is_seen(self) -> None:
        bad = history()
        bad.snapshots[0] = replace(bad.snapshots[0], statuses={"d1": STOPPED, "d2": READY})

        assert "I1" in promises(bad)

    def test_a_revision_that_goes_back_is_seen(self) -> None:
        bad = history()
        bad.snapshots[2] = replace(bad.snapshots[2], revision=1, acknowledged=1)

        assert "I2" in promises(bad)


class TestProbes:
    """I1 and I3 at the gateway."""

    def test_an_answer_of_the_old_deployment_is_right_until_the_new_one_is_acknowledged(self) -> None:
        good = history(switch_acknowledged_at=15.0)
        good.probes = [answered("d1", at=11.0), answered("d2", at=11.0), answered("d1", at=14.9)]

        assert promises(good) == []

    def test_an_answer_of_the_old_deployment_after_that_is_seen(self) -> None:
        bad = history(switch_acknowledged_at=15.0)
        bad.probes = [answered("d1", at=17.0)]

        assert promises(bad) == ["I1"]

    def test_an_answer_before_the_database_names_the_deployment_is_seen(self) -> None:
        bad = history()
        bad.probes = [answered("d2", at=5.0)]

        assert promises(bad) == ["I1"]

    def test_a_value_that_came_and_went_between_two_reads_is_known_from_the_ledger(self) -> None:
        good = history()
        good.probes = [answered("d3", at=10.1)]

        assert promises(good) == ["I1"]

        assert good.rest is not None
        brief = entry("rollback", "d1", "d3", revision=2)
        good.rest = replace(good.rest, ledger=(*good.rest.ledger, brief))
        assert promises(good) == []

    def test_a_failed_request_is_seen(self) -> None:
        bad = history()
        bad.probes = [failed(at=5.0)]

        assert promises(bad) == ["I3"]

    def test_a_failed_request_while_envoy_is_down_is_excused_and_later_is_not(self) -> None:
        run = history()
        run.faults = [struck(Blow.KILL, "envoy", begin=4.0, end=6.0)]
        run.probes = [failed(at=5.0)]

        assert promises(run) == []

        run.probes = [failed(at=8.0)]
        assert promises(run) == ["I3"]

    def test_a_failed_request_is_excused_while_its_app_recovers_and_not_after_it_answered(self) -> None:
        run = history()
        run.faults = [struck(Blow.KILL_APP, "app", begin=3.0, end=3.1, deployment_id="d1")]
        run.probes = [failed(at=3.5), answered("d1", at=5.0)]

        assert promises(run) == []

        run.probes.append(failed(at=7.0))
        assert promises(run) == ["I3"]

    def test_an_app_that_stays_away_although_nothing_keeps_it_away_is_seen(self) -> None:
        run = history(seconds=120.0)
        run.faults = [struck(Blow.KILL_APP, "app", begin=3.0, end=3.1, deployment_id="d1")]
        run.probes = [replace(failed(at=9.0), hostname=COMMIT, named_id="d1")]

        assert promises(run) == []

        run.probes.append(replace(failed(at=60.0), hostname=COMMIT, named_id="d1"))
        assert promises(run) == ["I3"]

        run.faults += [struck(Blow.KILL, "endpoint", begin=t, end=t + 1.0) for t in (20.0, 40.0)]
        assert promises(run) == ["I3"]

        run.faults += [struck(Blow.KILL, "krane", begin=t, end=t + 1.0) for t in (20.0, 40.0)]
        assert promises(run) == []

    def test_a_killed_app_of_another_deployment_excuses_nothing(self) -> None:
        run = history()
        run.faults = [struck(Blow.KILL_APP, "app", begin=3.0, end=3.1, deployment_id="d2")]
        run.probes = [failed(at=3.5)]

        assert promises(run) == ["I3"]

    def test_a_commit_hostname_of_a_stopped_deployment_may_fail_and_of_a_ready_one_may_not(self) -> None:
        run = history()
        run.probes = [replace(failed(at=5.0), hostname=COMMIT, named_id="d3")]

        assert promises(run) == ["I3"]

        run.snapshots[0] = replace(run.snapshots[0], statuses={**run.snapshots[0].statuses, "d3": STOPPED})
        assert promises(run) == []


class TestAnswers:
    """I5 for the answers to callers, and that live is known."""

    def test_an_operation_without_an_answer_is_seen(self) -> None:
        bad = history()
        bad.operations.append(replace(promote("d1", 30.0, 61.0), outcome=Outcome.UNANSWERED))

        assert promises(bad) == ["I5"]

    def test_a_run_in_which_too_much_may_or_may_not_have_happened_is_seen(self) -> None:
        run = history()
        lost = replace(promote("d1", 30.0, 31.0), outcome=Outcome.UNKNOWN)
        refused = replace(promote("d1", 30.0, 31.0), outcome=Outcome.REFUSED)

        run.operations += [lost] * 5 + [refused] * 15
        assert promises(run) == []

        run.operations += [lost]
        assert promises(run) == ["live"]


class TestRest:
    """I4 to I9."""

    def test_two_deployments_of_one_key_are_seen(self) -> None:
        bad = history()
        bad.operations.append(replace(bad.operations[0], act=Act.RETRY, deployment_id="d9"))

        assert promises(bad) == ["I4"]

    @pytest.mark.parametrize("processes", [{"d1": 1}, {"d1": 1, "d2": 2}])
    def test_too_few_and_too_many_processes_are_seen(self, processes: dict[str, int]) -> None:
        assert promises(history(processes=processes)) == ["I4"]

    def test_a_deployment_that_never_ends_is_seen(self) -> None:
        bad = history()
        assert bad.rest is not None
        row = deployment("d4", generation=4, status=DeploymentStatus.DEPLOYING)
        bad.operations.append(deployed("d4", begin=11.0))
        bad.rest = replace(bad.rest, deployments=(*bad.rest.deployments, row), settled_after=None)

        assert promises(bad) == ["I5", "I5"]

    @pytest.mark.parametrize("krane", [{"d1": "running"}, {"d1": "running", "d2": "running", "d9": "running"}])
    def test_what_krane_lost_and_what_nobody_wants_is_seen(self, krane: dict[str, str]) -> None:
        assert promises(history(krane=krane)) == ["I6"]

    def test_a_deployment_that_becomes_live_after_its_cancel_is_seen(self) -> None:
        bad = history()
        bad.operations.append(cancelled("d2", at=8.0))

        assert promises(bad) == ["I7"]

    def test_a_cancel_that_came_too_late_is_no_trouble(self) -> None:
        good = history()
        good.operations.append(cancelled("d2", at=12.0))

        assert promises(good) == []

    def test_a_deploy_that_takes_live_while_it_is_rolled_back_is_seen(self) -> None:
        bad = history()
        assert bad.rest is not None
        taken = replace(entry("assign", "d1", "d2", revision=2), was_rolled_back=True)
        bad.rest = replace(bad.rest, ledger=(taken,))

        assert promises(bad) == ["I9"]


class TestLive:
    """The live pointer behaves like a register."""

    def test_a_rollback_and_a_promote_that_take_their_turns_are_fine(self) -> None:
        reads = [("d2", False), ("d1", True), ("d2", False)]
        moves = [rollback("d2", "d1", 9.0, 12.0), promote("d2", 19.0, 21.0)]

        assert promises(register(reads, moves)) == []

    def test_live_that_moves_without_any_operation_is_seen(self) -> None:
        assert promises(register([("d2", False), ("d1", True)], [])) == ["live"]

    def test_a_promote_that_was_answered_and_never_shows_is_seen(self) -> None:
        assert promises(register([("d2", False)], [promote("d1", 2.0, 3.0)])) == ["live"]

    def test_a_rollback_from_what_was_not_live_is_seen(self) -> None:
        moves = [rollback("d3", "d1", 9.0, 12.0)]

        assert promises(register([("d2", False), ("d1", True)], moves)) == ["live"]

    def test_an_operation_without_an_answer_may_have_happened_or_not(self) -> None:
        lost = replace(promote("d1", 2.0, 3.0), outcome=Outcome.UNKNOWN)

        assert promises(register([("d2", False)], [lost])) == []
        assert promises(register([("d2", False), ("d1", False)], [lost])) == []

    def test_a_refused_operation_may_be_seen_for_a_moment_and_not_for_good(self) -> None:
        refused = replace(promote("d1", 9.0, 25.0), outcome=Outcome.REFUSED)

        assert promises(register([("d2", False), ("d1", False), ("d2", False)], [refused])) == []
        answered_before = replace(refused, span=Span(begin=9.0, end=15.0))
        assert promises(register([("d2", False), ("d1", False)], [answered_before])) == ["live"]

    def test_two_moves_at_once_have_an_order(self) -> None:
        moves = [promote("d1", 9.0, 29.0), promote("d3", 9.0, 29.0)]

        assert promises(register([("d2", False), ("d3", False), ("d1", False)], moves)) == []

    def test_a_newer_deployment_takes_live_and_an_older_one_does_not(self) -> None:
        newer, older = deployed("d2", begin=9.0), deployed("d1", begin=9.0)

        assert promises(register([("d1", False), ("d2", False)], [newer], ends={"d2": 1})) == []
        assert promises(register([("d2", False), ("d1", False)], [older], ends={"d1": 1})) == ["live"]


# -- histories ---------------------------------------------------------------------------------------------------------


def promises(run: History) -> list[str]:
    """The promises that a history breaks, sorted."""
    return sorted(violation.promise for violation in check(run))


def history(
    *,
    switch_acknowledged_at: float = 10.2,
    seconds: float = 20.0,
    processes: Mapping[str, int] | None = None,
    krane: Mapping[str, str] | None = None,
) -> History:
    """Return a history: d1 is live, and from second 10 on d2, which was deployed then; all are ready."""
    both = {"d1": READY, "d2": READY}
    return History(
        seed=0,
        seconds=seconds,
        operations=[deployed("d1", begin=-2.0), deployed("d2", begin=9.0)],
        snapshots=[
            snapshot("d1", 0.0, 9.9, revision=1, statuses={"d1": READY, "d2": DeploymentStatus.NETWORK, "d3": READY}),
            snapshot("d2", 10.0, switch_acknowledged_at, revision=2, acknowledged=1, statuses=both),
            snapshot("d2", switch_acknowledged_at, seconds, revision=2),
        ],
        rest=Rest(
            settled_after=0.0,
            deployments=(deployment("d1", generation=1), deployment("d2", generation=2)),
            ledger=(entry("assign", "d1", "d2", revision=2),),
            krane={"d1": "running", "d2": "running"} if krane is None else krane,
            processes={"d1": 1, "d2": 1} if processes is None else processes,
        ),
    )


def register(
    reads: Sequence[tuple[str, bool]], operations: Sequence[Done], *, ends: Mapping[str, int] | None = None
) -> History:
    """A project whose live pointer and flag are read for nine seconds each, in a row.

    d1, d2 and d3 are ready from the beginning, apart from those that end in the read with that number.
    """
    began: dict[str, DeploymentStatus] = {id: READY for id in ("d1", "d2", "d3") if id not in (ends or {})}
    asked = {operation.deployment_id for operation in operations if operation.act is Act.DEPLOY}
    times = count(0, 10)
    snapshots = [
        snapshot(
            live,
            begin,
            begin + 9.0,
            revision=number + 1,
            is_rolled_back=is_rolled_back,
            statuses=began if number == 0 else {id: READY for id, read in (ends or {}).items() if read == number},
            has_hostnames=False,
        )
        for number, ((live, is_rolled_back), begin) in enumerate(zip(reads, times, strict=False))
    ]
    rows = tuple(deployment(f"d{generation}", generation=generation) for generation in (1, 2, 3))
    return History(
        seed=0,
        seconds=30,
        operations=[*(deployed(row.id, begin=-9.0) for row in rows if row.id not in asked), *operations],
        snapshots=snapshots,
        rest=Rest(
            settled_after=0.0,
            deployments=rows,
            ledger=(),
            krane={row.id: "running" for row in rows},
            processes={row.id: 1 for row in rows},
        ),
    )


def snapshot(
    live: str,
    begin: float,
    end: float,
    *,
    revision: int,
    acknowledged: int | None = None,
    is_rolled_back: bool = False,
    statuses: Mapping[str, DeploymentStatus] | None = None,
    has_hostnames: bool = True,
) -> Snapshot:
    return Snapshot(
        first=Span(begin=begin, end=begin + 0.05),
        last=Span(begin=end - 0.05, end=end),
        revision=revision,
        acknowledged=revision if acknowledged is None else acknowledged,
        projects={PROJECT: ProjectRow(live=live, is_rolled_back=is_rolled_back)},
        hostnames={LIVE: names(live)} if has_hostnames else {},
        statuses=statuses or {},
    )


def names(deployment_id: str) -> HostnameRow:
    return HostnameRow(
        project_id=PROJECT,
        sticky="live",
        is_production=True,
        deployment_id=deployment_id,
        config_deployment_id=deployment_id,
    )


def deployment(id: str, *, generation: int, status: DeploymentStatus = READY) -> DeploymentRow:
    return DeploymentRow(
        id=id,
        project_id=PROJECT,
        is_production=True,
        generation=generation,
        status=status,
        replicas=1,
        idempotency_key=f"key of {id}",
    )


def entry(kind: str, before: str, after: str, *, revision: int) -> Ledger:
    return Ledger(
        project_id=PROJECT,
        kind=kind,
        live_before=before,
        live_after=after,
        was_rolled_back=False,
        revision=revision,
        moved=(Moved(hostname=LIVE, sticky="live", before=before, after=after),),
    )


def deployed(id: str, *, begin: float) -> Done:
    return Done(
        act=Act.DEPLOY,
        project_id=PROJECT,
        span=Span(begin=begin, end=begin + 0.1),
        outcome=Outcome.OK,
        deployment_id=id,
        idempotency_key=f"key of {id}",
    )


def rollback(source: str, target: str, begin: float, end: float) -> Done:
    return replace(promote(target, begin, end), act=Act.ROLLBACK, source_id=source)


def promote(target: str, begin: float, end: float) -> Done:
    return Done(
        act=Act.PROMOTE,
        project_id=PROJECT,
        span=Span(begin=begin, end=end),
        outcome=Outcome.OK,
        deployment_id=target,
    )


def cancelled(id: str, *, at: float) -> Done:
    return replace(promote(id, at, at + 0.1), act=Act.CANCEL, is_cancelling=True)


def answered(deployment_id: str, *, at: float) -> Probe:
    return Probe(hostname=LIVE, span=Span(begin=at, end=at + 0.01), status=200, deployment_id=deployment_id)


def failed(*, at: float) -> Probe:
    return Probe(hostname=LIVE, span=Span(begin=at, end=at + 0.01), status=503, detail="no healthy instance")


def struck(blow: Blow, part: str, *, begin: float, end: float, deployment_id: str = "") -> Struck:
    return Struck(blow=blow, part=part, span=Span(begin=begin, end=end), hit=True, deployment_id=deployment_id)


def _acts(operations: Sequence[Operation]) -> Iterator[Act]:
    return (operation.act for operation in operations)
