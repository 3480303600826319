import pytest

from services.domain.readiness import Failed, InstanceState, InstanceStatus, Ready, Waiting, assess


def instance(
    instance_id: str,
    status: InstanceStatus = InstanceStatus.RUNNING,
    *,
    healthy: bool = True,
    address: str = "127.0.0.1:9000",
    reason: str = "",
) -> InstanceState:
    return InstanceState(id=instance_id, address=address, status=status, healthy=healthy, reason=reason)


@pytest.mark.parametrize("replicas", [0, 1, 3])
def test_zero_instances_are_never_ready(replicas: int) -> None:
    assert isinstance(assess([], replicas), Waiting)


def test_as_many_healthy_instances_as_replicas_are_ready() -> None:
    assert assess([instance("a"), instance("b")], 2) == Ready()
    assert assess([instance("a"), instance("b"), instance("c", healthy=False)], 2) == Ready()


def test_fewer_healthy_instances_than_replicas_are_waited_for() -> None:
    readiness = assess([instance("a"), instance("b", healthy=False, reason="GET /healthz answered 500")], 2)

    assert readiness == Waiting("1 of 2 instances are healthy; b: GET /healthz answered 500")


@pytest.mark.parametrize(
    "broken",
    [
        instance("a", healthy=False),
        instance("a", InstanceStatus.PENDING),
        instance("a", InstanceStatus.TERMINATING),
        instance("a", InstanceStatus.STOPPED),
        instance("a", address=""),
    ],
)
def test_an_instance_counts_only_when_it_runs_and_is_healthy_at_a_known_address(broken: InstanceState) -> None:
    assert isinstance(assess([broken], 1), Waiting)


def test_an_instance_that_ended_by_itself_fails_the_deployment() -> None:
    crashed = instance("b", InstanceStatus.FAILED, healthy=False, reason="exited with code 1")

    assert assess([instance("a"), crashed], 2) == Failed("instance b: exited with code 1")


def test_enough_healthy_instances_outweigh_one_that_ended() -> None:
    crashed = instance("b", InstanceStatus.FAILED, healthy=False)

    assert assess([instance("a"), crashed], 1) == Ready()


def test_an_instance_that_ended_without_a_reason_is_still_explained() -> None:
    crashed = instance("a", InstanceStatus.FAILED, healthy=False)

    assert assess([crashed], 1) == Failed("instance a: it ended by itself")
