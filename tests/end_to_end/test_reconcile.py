"""What no operation answers for any more is repaired; what is healthy, or young, is left alone."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.ctrl.enums import status_of
from services.domain.errors import InterlockError, PreconditionFailed
from services.domain.settings import EffectiveSettings
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.backends.shared.files import remove_tree
from services.krane.client import KraneClient
from services.krane.types import DeploymentSpec, TaskSpec
from tests.end_to_end.stack import Project, Stack, eventually

GRACE_SECONDS = 1.0
HASTY = {
    "INTERLOCK_DEPLOY__READY_TIMEOUT_SECONDS": "30",
    "INTERLOCK_DEPLOY__DRAIN_SECONDS": "0.5",
    "INTERLOCK_DEPLOY__RECONCILE_SECONDS": "0.2",
    "INTERLOCK_DEPLOY__RECONCILE_GRACE_SECONDS": str(GRACE_SECONDS),
    "INTERLOCK_DEPLOY__PRUNE_AFTER_SECONDS": "3",
    "INTERLOCK_DEPLOY__KEEP_READY": "1",
    "INTERLOCK_DEPLOY__KEEP_STOPPED": "1",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation whose reconciler is in a hurry."""
    running = Stack(tmp_path_factory.mktemp("hasty") / "data", HASTY)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
async def krane(stack: Stack) -> AsyncIterator[KraneClient]:
    """krane itself, to work behind everybody's back."""
    async with KraneClient(stack.ready["krane_grpc"]) as client:
        yield client


@pytest.mark.parametrize("step", ["build", "poll until ready"])
async def test_a_deploy_whose_invocation_was_killed_ends_as_failed_and_leaves_nothing(
    project: Project, step: str
) -> None:
    good = await project.deploy("good")
    source = await project.source("slow", files=SLOW_BUILD) if step == "build" else None
    stuck = await project.create("stuck", behaviour="silent", commit="2222222", source=source)
    await project.reaches(stuck.id, step)

    await administer(project, stuck.id, "kill")

    failed = await project.ended(stuck.id, timeout=20)
    assert status_of(failed) == "failed"
    assert failed.failure.reason.startswith("lost: ")
    assert failed.failure.step in (step, "upsert instances")
    assert all(s.ended_at_ms for s in failed.steps)
    await gone(project, stuck.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"


async def test_a_deploy_that_was_killed_with_its_routes_in_place_gives_them_back(project: Project) -> None:
    """It was routed and live, and nothing is left to say so: what was live before is live again."""
    good = await project.deploy("good")
    lost = await project.deploy("lost", commit="2222222")
    await write(project, "update deployments set status = 'network' where id = :id", id=lost.id)

    failed = await eventually(lambda: ended_as(project, lost.id, "failed"), "the row to be settled")

    assert failed.failure.reason.startswith("lost: ")
    await gone(project, lost.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"
    assert await project.answers("environment") == "good"


async def test_a_killed_deploy_that_was_asked_to_cancel_ends_as_cancelled(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")
    await write(project, "update deployments set cancel_reason = 'not wanted' where id = :id", id=stuck.id)

    await administer(project, stuck.id, "kill")

    cancelled = await project.ended(stuck.id, timeout=20)
    assert (status_of(cancelled), cancelled.failure.reason) == ("cancelled", "not wanted")
    await gone(project, stuck.id)


async def test_a_deploy_that_was_cancelled_in_the_queue_behind_our_back_ends_as_cancelled(project: Project) -> None:
    running = await project.create("running", behaviour="silent")
    await project.reaches(running.id, "poll until ready")
    queued = await project.create("queued", commit="2222222", branch="other")
    await eventually(lambda: invocation_of(project, queued.id), "the deployment to be handed over")

    await administer(project, queued.id, "cancel")

    cancelled = await project.ended(queued.id, timeout=20)
    assert (status_of(cancelled), cancelled.failure.reason) == ("cancelled", "cancelled through Restate")
    assert not cancelled.steps
    await project.control.cancel_deployment(running.id)


async def test_a_deployment_in_krane_that_no_row_names_is_removed(project: Project, krane: KraneClient) -> None:
    deployed = await project.deploy("good")
    await krane.create(spec("ws_nobody", "d_orphan", deployed.image))
    await krane.start_task(task("ws_nobody", "d_orphan_task", deployed.image))

    async def is_gone() -> bool:
        is_known = await krane.get_task("ws_nobody", "d_orphan_task") is not None
        return not is_known and await krane.get("ws_nobody", "d_orphan") is None

    await eventually(is_gone, "the orphan to be removed")
    assert project.stack.instance_processes("d_orphan") == []
    assert project.stack.instance_processes("d_orphan_task") == []


async def test_a_live_deployment_that_vanished_from_krane_comes_back_and_answers(
    project: Project, krane: KraneClient
) -> None:
    deployed = await project.deploy("good")
    namespace = await workspace_id(project)

    await krane.delete(namespace, deployed.id)

    await eventually(lambda: answers(project, "good"), "live to answer again")


async def test_a_live_deployment_that_was_stopped_in_krane_runs_again(project: Project, krane: KraneClient) -> None:
    deployed = await project.deploy("good")

    await krane.stop(await workspace_id(project), deployed.id)

    await eventually(lambda: answers(project, "good"), "live to answer again")


async def test_a_stopped_deployment_that_krane_runs_is_stopped_again(project: Project, krane: KraneClient) -> None:
    source = await project.source("v1")
    for n in "123":
        await project.deploy("v1", commit=n * 7, source=source)
    stopped = await eventually(lambda: first_stopped(project), "the oldest to be retired")

    async def runs() -> bool:
        return bool(project.stack.instance_processes(stopped.id))

    async def is_idle() -> bool:
        return not await runs()

    await krane.start(await workspace_id(project), stopped.id)
    await eventually(runs, "it to run")

    await eventually(is_idle, "it to be stopped again")
    assert status_of(await project.control.get_deployment(stopped.id)) == "stopped"


async def test_sources_and_images_that_no_deployment_needs_are_removed_and_others_stay(project: Project) -> None:
    good = await project.deploy("good")
    failed = await project.deploy("bad", behaviour="exit", commit="2222222")
    assert status_of(failed) == "failed"

    async def is_pruned() -> bool:
        return not any(path.exists() for path in stored(project, failed))

    await eventually(is_pruned, "the failed deployment's image to be removed")
    assert all(path.exists() for path in stored(project, good))
    assert status_of(await project.deploy("bad", commit="3333333", source=good.source)) == "ready"


async def test_the_oldest_stopped_deployments_are_removed_with_image_and_hostname(
    project: Project, krane: KraneClient
) -> None:
    deployed = [await project.deploy(f"v{n}", commit=n * 7) for n in "1234"]
    first, namespace = deployed[0], await workspace_id(project)
    hostname = await project.hostname("commit", deployment_id=first.id)

    async def is_removed() -> bool:
        is_known = await krane.get(namespace, first.id) is not None or any(p.exists() for p in stored(project, first))
        return not is_known and (await project.stack.get(hostname)).status_code == 404

    await eventually(is_removed, "the oldest to be removed")
    statuses = [status_of(await project.control.get_deployment(one.id)) for one in deployed]
    assert statuses == ["removed", "stopped", "ready", "ready"]
    assert all(path.exists() for path in stored(project, deployed[1]))
    with pytest.raises(PreconditionFailed, match="is removed, not ready"):
        await project.control.rollback(project.slug, first.id)
    assert await project.answers("live") == "v4"


async def test_a_paused_deploy_is_left_alone_and_is_on_the_attention_list(project: Project) -> None:
    paused = await project.create("paused", behaviour="silent")
    await project.reaches(paused.id, "poll until ready")
    await administer(project, paused.id, "pause")
    await asyncio.sleep(2 * GRACE_SECONDS)

    listed = project.stack.cli("attention", "-o", "json")

    assert listed.returncode == 11
    (item,) = json.loads(listed.stdout)["items"]
    assert item["what"] == "Deploy is paused and holds up its project"
    assert (item["project"], item["deployment_id"]) == (project.slug, paused.id)
    assert project.stack.instance_processes(paused.id)
    resumed = await asyncio.create_subprocess_exec(*item["next"].split(), "--silent", "--fail")
    assert await resumed.wait() == 0
    await project.control.cancel_deployment(paused.id)
    assert status_of(await project.ended(paused.id)) == "cancelled"


async def test_what_is_healthy_is_never_touched(project: Project) -> None:
    """Deploys, a rollback to a stopped one, a promote and a cancel, all under the hasty reconciler."""
    deployed = [await project.deploy(f"v{n}", commit=n * 7, behaviour="slow" if n == "3" else "ok") for n in "123"]
    await eventually(lambda: first_stopped(project), "the oldest to be retired")
    await project.control.rollback(project.slug, deployed[0].id)
    assert await project.answers("live") == "v1"
    await project.control.promote(project.slug, deployed[2].id)
    stuck = await project.create("stuck", behaviour="silent", commit="6666666")
    await project.reaches(stuck.id, "poll until ready")
    await asyncio.sleep(2 * GRACE_SECONDS)
    await project.control.cancel_deployment(stuck.id)

    assert status_of(await project.ended(stuck.id)) == "cancelled"
    await asyncio.sleep(2 * GRACE_SECONDS)
    assert await project.answers("live") == "v3"
    mine = {one.id for one in deployed} | {stuck.id}
    assert [repair for repair in repairs(project.stack) if repair["deployment_id"] in mine] == []


async def test_when_restate_has_lost_its_data_what_ran_is_settled_and_traffic_goes_on(project: Project) -> None:
    good = await project.deploy("good")
    lost = await project.create("lost", behaviour="silent", commit="2222222")
    await project.reaches(lost.id, "poll until ready")

    project.stack.data_dir.joinpath("restate").rename(project.stack.data_dir / "restate-lost")
    old = project.stack.kill("restate")
    await project.stack.restarted("restate", old)

    failed = await eventually(lambda: ended_as(project, lost.id, "failed"), "the row to be settled", timeout=40)
    assert failed.failure.reason.startswith("lost: ")
    await gone(project, lost.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"
    assert status_of(await project.deploy("next", commit="3333333")) == "ready"


async def test_nothing_needs_attention_and_nothing_is_left_to_repair(stack: Stack) -> None:
    """Runs last: after all of the above, passes change nothing any more."""

    async def is_quiet() -> bool:
        before = len(repairs(stack))
        await asyncio.sleep(3 * GRACE_SECONDS)
        return len(repairs(stack)) == before

    await eventually(is_quiet, "passes without repairs")
    listed = stack.cli("attention")
    assert (listed.returncode, listed.stdout.strip()) == (0, "nothing needs attention")


SLOW_BUILD = {
    "pyproject.toml": (
        '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n\n[project]\nname = "slow"\n'
    ),
    "setup.py": "import time\ntime.sleep(120)\n",
}


async def test_live_is_brought_back_when_its_image_and_its_process_are_gone(project: Project) -> None:
    deployed = await project.deploy("kept")
    await lose_image(project, deployed)
    for process in project.stack.instance_processes(deployed.id):
        os.kill(process, signal.SIGKILL)

    async def is_told() -> bool:
        items = (await project.control.list_attention()).items
        return any(item.deployment_id == deployed.id and "was removed" in item.why for item in items)

    await eventually(is_told, "attention to say that the image was removed")
    await eventually(lambda: serves(project, "kept"), "live to be brought back", timeout=60)

    again = await project.control.get_deployment(deployed.id)
    assert (status_of(again), again.image) == ("ready", deployed.image)


async def test_live_is_brought_back_when_krane_has_neither_it_nor_its_image(
    project: Project, krane: KraneClient
) -> None:
    deployed = await project.deploy("kept")
    await krane.delete(await workspace_id(project), deployed.id)
    await lose_image(project, deployed)

    await eventually(lambda: serves(project, "kept"), "live to be brought back", timeout=60)


async def lose_image(project: Project, deployment: pb.Deployment) -> None:
    """Remove the image of a deployment by hand."""
    folder = project.stack.data_dir / "krane" / "artifacts" / deployment.image.rpartition(":")[2]
    assert folder.exists()
    await asyncio.to_thread(remove_tree, folder)


async def serves(project: Project, version: str) -> bool:
    """Whether the live hostname answers with a version."""
    return await project.answers("live") == version


def spec(namespace: str, deployment_id: str, image: str) -> DeploymentSpec:
    run = EffectiveSettings(cpu_millicores=100, memory_mib=128)
    return DeploymentSpec(namespace=namespace, deployment_id=deployment_id, image=image, run=run)


def task(namespace: str, task_id: str, image: str) -> TaskSpec:
    return TaskSpec(
        namespace=namespace,
        task_id=task_id,
        image=image,
        run=EffectiveSettings(release_command=("sleep", "3600"), cpu_millicores=100, memory_mib=128),
        timeout_seconds=3600.0,
    )


def repairs(stack: Stack) -> list[dict[str, Any]]:
    """What the reconciler says that it did."""
    lines = (stack.data_dir / "logs" / "endpoint.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry.get("actor") == "reconciler" and "repair" in entry]


def stored(project: Project, deployment: pb.Deployment) -> list[Path]:
    """Where krane keeps what a deployment was made from."""
    folder = project.stack.data_dir / "krane"
    source, image = (reference.rpartition(":")[2] for reference in (deployment.source, deployment.image))
    return [folder / "sources" / f"{source}.tar.gz", folder / "artifacts" / image]


async def administer(project: Project, deployment_id: str, verb: str) -> None:
    """Do something to a deployment's invocation through Restate's admin API."""
    invocation_id = await invocation_of(project, deployment_id)
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.patch(f"{project.stack.ready['admin']}/invocations/{invocation_id}/{verb}")
    assert answer.is_success, answer.text


async def invocation_of(project: Project, deployment_id: str) -> str:
    return (await project.control.get_deployment(deployment_id)).invocation_id


async def ended_as(project: Project, deployment_id: str, status: str) -> pb.Deployment | None:
    found = await project.control.get_deployment(deployment_id)
    return found if status_of(found) == status else None


async def first_stopped(project: Project) -> pb.Deployment | None:
    found = (await project.control.list_deployments(project.slug)).deployments
    return next((one for one in found if status_of(one) == "stopped"), None)


async def gone(project: Project, deployment_id: str) -> None:
    """Wait until nothing is left: the row is settled first."""

    async def is_gone() -> bool:
        try:
            await project.assert_gone(deployment_id)
        except AssertionError:
            return False
        return True

    await eventually(is_gone, f"everything of {deployment_id} to be gone")


async def answers(project: Project, version: str) -> bool:
    try:
        return await project.answers("live") == version
    except (httpx.HTTPError, InterlockError):
        return False


async def workspace_id(project: Project) -> str:
    rows = await project.stack.sql("select workspace_id from projects where id = :id", id=project.id)
    return rows[0]["workspace_id"]


async def write(project: Project, statement: str, **values: object) -> None:
    """Change the database behind everybody's back."""
    database = project.stack.database()
    try:
        async with database.write() as session:
            await session.execute(text(statement), values)
    finally:
        await database.close()
