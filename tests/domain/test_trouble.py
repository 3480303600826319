"""When the instances of a live deployment need somebody."""

import pytest

from services.domain.readiness import InstanceState, InstanceStatus
from services.domain.trouble import find_trouble

NOW_MS = 10_000_000


def instance(index: int = 0, *, healthy: bool = True, **fields: object) -> InstanceState:
    state = {"id": f"d-{index}", "address": "127.0.0.1:1", "status": InstanceStatus.RUNNING, "healthy": healthy}
    return InstanceState(**{**state, **fields})  # pyright: ignore[reportArgumentType] -- fields of a test


CRASHED = {"restarts": 9, "last_end": "it exited with code 0", "last_end_ms": NOW_MS - 1_000}
KILLED = {"restarts": 1, "crashes": 1, "last_end": "out of memory: it may use 64 MiB"}


@pytest.mark.parametrize(
    "instances",
    [
        [instance()],
        [instance(**CRASHED, crashes=1)],
        [instance(), instance(1, healthy=False, unhealthy_since_ms=1)],
        [instance(healthy=False, unhealthy_since_ms=NOW_MS - 2_999)],
        [instance(**KILLED, last_end_ms=NOW_MS - 3_600_000)],
    ],
)
def test_what_serves_or_just_restarts_needs_nobody(instances: list[InstanceState]) -> None:
    assert find_trouble(instances, NOW_MS) is None


@pytest.mark.parametrize(
    ("instances", "what", "why"),
    [
        (None, "does not run", "krane has stopped it, or does not have it"),
        ([], "does not run", "krane has stopped it, or does not have it"),
        (
            [instance(), instance(1, **CRASHED, crashes=2)],
            "does not stay up",
            "d-1: it exited with code 0; restarts: 9",
        ),
        (
            [instance(healthy=False, reason="GET / answered 500", unhealthy_since_ms=NOW_MS - 3_000)],
            "has no healthy instance",
            "d-0: GET / answered 500",
        ),
        (
            [instance(healthy=False, status=InstanceStatus.FAILED, reason="gone", unhealthy_since_ms=NOW_MS)],
            "has no healthy instance",
            "d-0: gone",
        ),
        (
            [instance(), instance(1, **KILLED, last_end_ms=NOW_MS - 1_000)],
            "ran out of memory",
            "d-1: out of memory: it may use 64 MiB; restarts: 1",
        ),
    ],
)
def test_what_does_not_serve_as_it_should_is_told_with_its_reason(
    instances: list[InstanceState] | None, what: str, why: str
) -> None:
    found = find_trouble(instances, NOW_MS)

    assert found is not None
    assert (found.what, found.why) == (what, why)
