from services.domain.live import Candidate
from services.domain.retention import surplus
from services.domain.status import DeploymentStatus

READY = DeploymentStatus.READY


def deployment(generation: int, status: DeploymentStatus = DeploymentStatus.READY) -> Candidate:
    return Candidate(
        id=f"d_{generation}", environment_id="production", is_production=True, generation=generation, status=status
    )


def ids(deployments: list[Candidate]) -> list[str]:
    return [deployment.id for deployment in deployments]


def test_the_newest_are_kept_and_the_others_retired_oldest_first() -> None:
    deployments = [deployment(generation) for generation in (3, 1, 5, 2, 4)]

    assert ids(surplus(deployments, READY, needed=(), keep=2)) == ["d_1", "d_2", "d_3"]


def test_what_is_needed_is_kept_however_old() -> None:
    deployments = [deployment(generation) for generation in range(1, 6)]

    assert ids(surplus(deployments, READY, needed={"d_1", "d_3"}, keep=2)) == ["d_2"]


def test_only_ready_deployments_are_retired_or_counted() -> None:
    deployments = [
        deployment(1),
        deployment(2, DeploymentStatus.STOPPED),
        deployment(3),
        deployment(4, DeploymentStatus.FAILED),
        deployment(5, DeploymentStatus.NETWORK),
    ]

    assert ids(surplus(deployments, READY, needed=(), keep=1)) == ["d_1"]
    assert surplus(deployments, READY, needed=(), keep=2) == []


def test_fewer_than_are_kept_are_left_alone() -> None:
    assert surplus([deployment(1)], READY, needed=(), keep=3) == []
    assert surplus([], READY, needed=(), keep=0) == []


def test_the_oldest_stopped_deployments_are_let_go_too() -> None:
    deployments = [deployment(generation, DeploymentStatus.STOPPED) for generation in (1, 2, 3)] + [deployment(4)]

    assert ids(surplus(deployments, DeploymentStatus.STOPPED, needed={"d_1"}, keep=1)) == ["d_2"]
