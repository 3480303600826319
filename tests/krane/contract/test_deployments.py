"""Create, get, list, stop, start, delete and logs, over real gRPC with real processes."""

import asyncio
from dataclasses import replace

import pytest

from services.domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.domain.readiness import InstanceStatus
from services.krane.types import WorkloadStatus
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, ask, healthy, spec, state_of, until, with_run

HOSTILE_IDS = ["", "..", "../up", "a/b", "-a", ".hidden", "a\n", "a\0b", "a" * 64, "ü"]


async def test_created_deployment_runs_every_replica_under_its_own_address(krane: Krane) -> None:
    await krane.create("replicas-1", replicas=2)

    async def both_healthy() -> bool:
        return all(instance.healthy for instance in (await state_of(krane.client, "replicas-1")).instances)

    await until(both_healthy)
    state = await state_of(krane.client, "replicas-1")
    assert state.status is WorkloadStatus.RUNNING
    assert [instance.id for instance in state.instances] == ["replicas-1-0", "replicas-1-1"]
    assert len({instance.address for instance in state.instances}) == 2
    assert [instance.reason for instance in state.instances] == ["", ""]

    await krane.client.delete(NAMESPACE, "replicas-1")


async def test_same_create_at_the_same_time_is_one_deployment(krane: Krane) -> None:
    await asyncio.gather(*(krane.create("twice-1") for _ in range(5)))

    instance = await healthy(krane.client, "twice-1")
    await krane.create("twice-1")
    assert (await healthy(krane.client, "twice-1")).address == instance.address
    assert len(krane.processes("twice-1")) == 1

    await krane.client.delete(NAMESPACE, "twice-1")


async def test_create_with_another_spec_under_the_same_id_is_a_conflict(krane: Krane) -> None:
    wanted = await krane.create("taken-1")

    with pytest.raises(Conflict, match="taken-1"):
        await krane.client.create(with_run(wanted, replicas=2))
    with pytest.raises(Conflict, match="taken-1"):
        await krane.client.create(replace(wanted, namespace="umbrella"))

    await krane.client.delete(NAMESPACE, "taken-1")


async def test_deployment_is_unknown_in_another_namespace(krane: Krane) -> None:
    await krane.create("private-1")
    await healthy(krane.client, "private-1")

    assert await krane.client.get("umbrella", "private-1") is None
    assert await krane.client.list("umbrella") == ()
    await krane.client.delete("umbrella", "private-1")
    for call in (krane.client.stop, krane.client.start, krane.client.logs):
        with pytest.raises(NotFound):
            await call("umbrella", "private-1")
    assert (await healthy(krane.client, "private-1")).restarts == 0
    assert "private-1" in [state.deployment_id for state in await krane.client.list(NAMESPACE)]

    await krane.client.delete(NAMESPACE, "private-1")


async def test_delete_during_create_leaves_nothing_running(krane: Krane) -> None:
    await asyncio.gather(krane.create("brief-1", replicas=2), krane.client.delete(NAMESPACE, "brief-1"))
    await krane.client.delete(NAMESPACE, "brief-1")

    assert await krane.client.get(NAMESPACE, "brief-1") is None
    assert krane.processes("brief-1") == set()


async def test_delete_is_finished_when_its_caller_goes_away(krane: Krane) -> None:
    await krane.create("orphan-1")
    await healthy(krane.client, "orphan-1")

    deleting = asyncio.create_task(krane.client.delete(NAMESPACE, "orphan-1"))
    await asyncio.sleep(0)
    deleting.cancel()
    await asyncio.wait([deleting])
    await krane.client.delete(NAMESPACE, "orphan-1")

    assert krane.processes("orphan-1") == set()


async def test_create_after_delete_begins_anew_and_keeps_the_logs(krane: Krane) -> None:
    await krane.create("again-1")
    await healthy(krane.client, "again-1")
    await krane.client.delete(NAMESPACE, "again-1")
    await krane.client.delete(NAMESPACE, "again-1")

    kept = await krane.client.logs(NAMESPACE, "again-1")
    await krane.create("again-1")
    await healthy(krane.client, "again-1")

    assert len(kept) == 1
    assert len(await krane.client.logs(NAMESPACE, "again-1", instance_id="again-1-0")) == 2
    await krane.client.delete(NAMESPACE, "again-1")


async def test_stopped_deployment_starts_again(krane: Krane) -> None:
    await krane.create("pause-1")
    await healthy(krane.client, "pause-1")

    await krane.client.stop(NAMESPACE, "pause-1")
    await krane.client.stop(NAMESPACE, "pause-1")
    stopped = await state_of(krane.client, "pause-1")
    assert krane.processes("pause-1") == set()
    await krane.client.start(NAMESPACE, "pause-1")
    await krane.client.start(NAMESPACE, "pause-1")
    started = await healthy(krane.client, "pause-1")

    assert stopped.status is WorkloadStatus.STOPPED
    assert [(i.status, i.healthy, i.address) for i in stopped.instances] == [(InstanceStatus.STOPPED, False, "")]
    assert started.restarts == 0
    await krane.client.delete(NAMESPACE, "pause-1")


async def test_create_from_an_image_that_is_not_there_says_what_to_do(krane: Krane) -> None:
    with pytest.raises(PreconditionFailed, match="build it again"):
        await krane.client.create(spec("nothing-1", krane.kind.absent_image))

    assert await krane.client.get(NAMESPACE, "nothing-1") is None


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_hostile_id_is_refused_by_every_call(krane: Krane, hostile: str) -> None:
    client = krane.client
    for call in (client.get, client.stop, client.start, client.delete, client.logs):
        with pytest.raises(Invalid, match="deployment_id"):
            await call(NAMESPACE, hostile)
        with pytest.raises(Invalid, match="namespace"):
            await call(hostile, "fine")
    with pytest.raises(Invalid, match="deployment_id"):
        await client.create(spec(hostile, krane.image))


@pytest.mark.parametrize("hostile", ["../fine-0", "other-0", "fine-x", "fine"])
async def test_logs_of_what_is_no_instance_of_the_deployment_are_refused(krane: Krane, hostile: str) -> None:
    with pytest.raises(Invalid, match="instance_id"):
        await krane.client.logs(NAMESPACE, "fine", instance_id=hostile)


@pytest.mark.parametrize(
    "changes",
    [
        {"replicas": 0},
        {"replicas": 51},
        {"memory_mib": 0},
    ],
)
async def test_settings_that_cannot_be_run_with_are_refused(krane: Krane, changes: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        await krane.client.create(with_run(spec("never-1", krane.image), **changes))


@pytest.mark.parametrize("image", ["artifact@sha256:../../etc", f"source@sha256:{'0' * 64}"])
async def test_what_names_no_image_is_refused(krane: Krane, image: str) -> None:
    with pytest.raises(Invalid):
        await krane.client.create(spec("never-1", image))


@pytest.mark.parametrize(
    "path",
    [
        "healthz",
        "//host\r\nX: y",
        "/with space",
        "http://elsewhere/",
        # These could make the address of another host of it.
        "//elsewhere/",
        "/@elsewhere/",
        "/up#part",
        "/\\elsewhere",
    ],
)
async def test_health_path_that_is_no_path_is_refused(krane: Krane, path: str) -> None:
    with pytest.raises(Invalid, match="health_path"):
        await krane.client.create(spec("never-2", krane.image, path=path))


async def test_health_path_of_the_request_wins_over_the_image(krane: Krane) -> None:
    await krane.client.create(spec("sick-path-1", krane.image, path="/context"))

    instance = await healthy(krane.client, "sick-path-1")

    assert (await ask(instance, "/healthz")).status_code == 500
    await krane.client.delete(NAMESPACE, "sick-path-1")
