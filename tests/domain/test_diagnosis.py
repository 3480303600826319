import pytest

from services.domain.diagnosis import (
    GIB,
    Finding,
    Verdict,
    judge_disk,
    judge_dns,
    judge_docker,
    judge_parts,
    judge_ports,
    judge_program,
    worst,
)


@pytest.mark.parametrize(
    ("free_bytes", "verdict"),
    [(100 * GIB, Verdict.OK), (5 * GIB, Verdict.OK), (5 * GIB - 1, Verdict.WARNING), (GIB // 4, Verdict.FAILURE)],
)
def test_a_disk_without_room_is_told_before_it_is_full(free_bytes: int, verdict: Verdict) -> None:
    found = judge_disk("/data", free_bytes)

    assert (found.verdict, bool(found.next)) == (verdict, verdict is not Verdict.OK)


def test_ports_of_others_fail_and_those_of_this_installation_do_not() -> None:
    taken = {"gateway": 8000, "envoy_admin": 9901}

    assert judge_ports({}, is_running=False).verdict is Verdict.OK
    assert judge_ports(taken, is_running=True).verdict is Verdict.OK
    found = judge_ports(taken, is_running=False)
    assert (found.verdict, found.found) == (
        Verdict.FAILURE,
        "in use by another program: 9901 (envoy admin), 8000 (gateway)",
    )
    assert "--ports auto" in found.next


@pytest.mark.parametrize(
    ("apex", "addresses", "verdict"),
    [
        ("interlock.localhost", ["127.0.0.1", "::1"], Verdict.OK),
        ("interlock.localhost", None, Verdict.WARNING),
        ("localhost", [], Verdict.WARNING),
        ("apps.example.com", ["203.0.113.7"], Verdict.OK),
        ("apps.example.com", None, Verdict.FAILURE),
        ("notlocalhost", None, Verdict.FAILURE),
    ],
)
def test_an_apex_that_does_not_resolve_matters_unless_browsers_know_it(
    apex: str, addresses: list[str] | None, verdict: Verdict
) -> None:
    found = judge_dns(apex, addresses)

    assert (found.verdict, bool(found.next)) == (verdict, verdict is not Verdict.OK)
    assert f"*.{apex}" in found.found


def test_parts_that_do_not_answer_are_named() -> None:
    def judged(sick: list[str], *, is_running: bool = True, is_ready: bool = True) -> Finding:
        return judge_parts(sick, is_running=is_running, is_ready=is_ready, logs="/data/logs")

    assert judged([], is_running=False).verdict is Verdict.WARNING
    assert judged([], is_ready=False).verdict is Verdict.WARNING
    assert judged([]).verdict is Verdict.OK
    assert judged(["krane", "ctrl"]).found == "no answer from ctrl, krane"


def test_an_engine_matters_to_the_docker_backend_only() -> None:
    def judged(problem: str, *, is_needed: bool) -> Verdict:
        return judge_docker(problem, is_needed=is_needed, version="1.41", socket="/run/docker.sock").verdict

    assert judged("", is_needed=False) is judged("", is_needed=True) is judged("gone", is_needed=False) is Verdict.OK
    assert judged("gone", is_needed=True) is Verdict.FAILURE


def test_the_worst_finding_counts() -> None:
    fine, broken = judge_program("envoy", "1.34", ""), judge_program("envoy", None, "it is not installed")

    assert worst([]) is worst([fine]) is Verdict.OK
    assert worst([fine, judge_dns("localhost", None)]) is Verdict.WARNING
    assert worst([judge_dns("localhost", None), broken, fine]) is Verdict.FAILURE
