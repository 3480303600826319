"""Rollback, Promote and the held state between them, on the real parts."""

import asyncio
import itertools
import os
import signal

import pytest

from services.ctrl.enums import START, TRANSITION_KIND, status_of
from services.domain.errors import InterlockError, NotFound, PreconditionFailed
from services.gen.ctrl.v1 import control_pb2 as pb
from services.krane.client import KraneClient
from tests.end_to_end.conftest import AS_USERS_RUN_IT
from tests.end_to_end.stack import Project, eventually


async def test_rollback_moves_live_and_environment_together_and_promote_brings_them_back(project: Project) -> None:
    old, new = await _two(project)

    rolled_back = await project.control.rollback(project.slug)

    assert (rolled_back.source_deployment_id, rolled_back.target_deployment_id) == (new.id, old.id)
    assert len(rolled_back.domains) == 2
    assert [await project.answers(s) for s in ("live", "environment", "branch")] == ["old", "old", "new"]
    assert await _state(project) == (old.id, True)

    promoted = await project.control.promote(project.slug, new.id)

    assert len(promoted.domains) == 2
    assert [await project.answers(s) for s in ("live", "environment", "branch")] == ["new", "new", "new"]
    assert await _state(project) == (new.id, False)


@AS_USERS_RUN_IT
async def test_a_rollback_goes_to_what_was_live_before_and_a_second_one_further_back(project: Project) -> None:
    first, second = await _two(project)
    third = await project.deploy("third", commit="3333333")
    await project.control.promote(project.slug, first.id)
    assert (await project.control.project_status(project.slug)).previous_live_deployment_id == third.id

    targets = [(await project.control.rollback(project.slug)).target_deployment_id for _ in range(3)]

    assert targets == [third.id, second.id, first.id]
    assert await project.answers("live") == "old"
    with pytest.raises(PreconditionFailed, match="no earlier live deployment"):
        await project.control.rollback(project.slug)


@AS_USERS_RUN_IT
async def test_who_did_what_when_and_why_is_kept(project: Project) -> None:
    old, new = await _two(project)
    stuck = await project.create("stuck", behaviour="silent", commit="3333333")
    await project.reaches(stuck.id, "poll until ready")
    project.control.actor = "alice"

    await project.control.rollback(project.slug, reason="new is slow")
    await project.ended(stuck.id)
    await project.control.promote(project.slug, new.id)

    transitions = (await project.control.list_transitions(project.slug)).transitions
    by_alice = [
        (TRANSITION_KIND.decode(t.what), t.deployment_id, t.live_before, t.live_after, t.note)
        for t in transitions
        if t.note
    ]
    assert by_alice == [
        ("promote", new.id, old.id, new.id, "by alice"),
        ("rollback", old.id, new.id, old.id, "by alice: new is slow"),
        ("cancelled", stuck.id, "", "", f"preempted by rollback to {old.id} (by alice: new is slow)"),
    ]
    assert sorted((TRANSITION_KIND.decode(t.what), t.deployment_id) for t in transitions if not t.note) == sorted(
        [*(("created", d) for d in (old.id, new.id, stuck.id)), *(("assign", d) for d in (old.id, new.id))]
    )
    assert all(later.at_ms >= earlier.at_ms > 0 for later, earlier in itertools.pairwise(transitions))


async def test_while_rolled_back_a_deploy_gets_its_own_names_and_live_stays(project: Project) -> None:
    old, _ = await _two(project)
    await project.control.rollback(project.slug)

    third = await project.deploy("third", commit="3333333")
    preview = await project.deploy("preview", environment="preview", branch="side")

    assert status_of(third) == status_of(preview) == "ready"
    assert not third.is_live
    assert [await project.answers(s) for s in ("live", "environment", "branch")] == ["old", "old", "third"]
    assert await project.answers("commit", deployment_id=third.id) == "third"
    assert await project.answers("environment", "preview") == "preview"
    assert await _state(project) == (old.id, True)

    await project.control.promote(project.slug, third.id)
    fourth = await project.deploy("fourth", commit="4444444")

    assert fourth.is_live
    assert [await project.answers(s) for s in ("live", "environment")] == ["fourth", "fourth"]


async def test_promoting_the_live_deployment_ends_the_held_state(project: Project) -> None:
    old, _ = await _two(project)
    await project.control.rollback(project.slug)

    await project.control.promote(project.slug, old.id)

    assert await _state(project) == (old.id, False)
    assert await project.answers("live") == "old"


async def test_rollback_to_an_instance_that_died_is_refused_or_starts_it_again(project: Project) -> None:
    old, _ = await _two(project)
    for pid in project.stack.instance_processes(old.id):
        os.kill(pid, signal.SIGKILL)

    async def rolled_back() -> bool:
        try:
            await project.control.rollback(project.slug, old.id)
        except PreconditionFailed:
            assert await project.answers("live") == "new"
            return False
        return True

    await eventually(rolled_back, "a rollback once krane has started it again")
    assert await project.answers("live") == "old"


@AS_USERS_RUN_IT
async def test_a_rollback_that_would_be_refused_says_why_and_changes_nothing(project: Project) -> None:
    old, new = await _two(project)
    failed = await project.deploy("bad", behaviour="exit", commit="3333333")
    preview = await project.deploy("preview", environment="preview", branch="side")

    await _refused(project, new.id, PreconditionFailed, "both source and target")
    await _refused(project, failed.id, PreconditionFailed, "is failed, not ready")
    await _refused(project, preview.id, PreconditionFailed, "another environment")
    await _refused(project, "d_unknown", NotFound, "d_unknown")
    await _refused(project, "../..", InterlockError, "is not an id")

    with pytest.raises(PreconditionFailed, match="is already live"):
        await project.control.promote(project.slug, new.id)
    with pytest.raises(PreconditionFailed, match="not in production"):
        await project.control.promote(project.slug, preview.id)
    with pytest.raises(PreconditionFailed, match="not ready"):
        await project.control.promote(project.slug, failed.id)

    assert await _state(project) == (new.id, False)
    assert await project.answers("live") == "new"
    assert old.id != new.id


@AS_USERS_RUN_IT
async def test_another_projects_deployment_is_not_found(project: Project) -> None:
    await _two(project)
    other = await project.control.create_project(f"{project.slug}-other")

    with pytest.raises(PreconditionFailed, match="no live deployment"):
        await project.control.rollback(other.slug)
    with pytest.raises(NotFound):
        await project.control.promote(other.slug, await project.live())


@AS_USERS_RUN_IT
async def test_another_workspace_sees_and_moves_nothing(project: Project) -> None:
    _, new = await _two(project)
    async with project.stack.control("strangers") as stranger:
        await stranger.create_project("theirs")

        for attempt in (
            stranger.get_deployment(new.id),
            stranger.project_status(project.slug),
            stranger.project_status(project.id),
            stranger.list_domains(project.slug),
            stranger.logs(new.id),
            stranger.cancel_deployment(new.id),
            stranger.rollback(project.id),
            stranger.promote("theirs", new.id),
        ):
            with pytest.raises(NotFound):
                await attempt

    assert await project.answers("live") == "new"


async def test_an_emergency_rollback_does_not_wait_for_a_running_deploy(project: Project) -> None:
    old, new = await _two(project)
    stuck = await project.create("stuck", behaviour="silent", commit="3333333")
    await project.reaches(stuck.id, "poll until ready")
    queued = await project.create("queued", commit="4444444")

    answer = await asyncio.wait_for(project.control.rollback(project.slug, old.id), timeout=6)

    assert set(answer.preempted_deployment_ids) == {stuck.id, queued.id}
    assert await project.answers("live") == "old"
    for deployment in (stuck, queued):
        ended = await project.ended(deployment.id)
        assert status_of(ended) == "cancelled"
        assert f"preempted by rollback to {old.id}" in ended.failure.reason
        await project.assert_gone(deployment.id)
    assert await project.answers("commit", deployment_id=new.id) == "new"


@AS_USERS_RUN_IT
async def test_a_dry_run_says_what_a_rollback_does_and_changes_nothing(project: Project) -> None:
    old, new = await _two(project)
    stuck = await project.create("stuck", behaviour="silent", commit="3333333", environment="preview")
    await project.reaches(stuck.id, "poll until ready")

    rehearsed = await project.control.rollback(project.slug, dry_run=True)

    assert (rehearsed.source_deployment_id, rehearsed.target_deployment_id) == (new.id, old.id)
    assert (START.decode(rehearsed.start), rehearsed.dry_run, len(rehearsed.domains)) == ("warm", True, 2)
    assert not rehearsed.preempted_deployment_ids
    assert await _state(project) == (new.id, False)
    assert status_of(await project.control.get_deployment(stuck.id)) == "deploying"

    await project.control.cancel_deployment(stuck.id)
    done = await project.control.rollback(project.slug)
    promoted = await project.control.promote(project.slug, new.id, dry_run=True)

    assert (done.domains, START.decode(done.start), done.dry_run) == (rehearsed.domains, "warm", False)
    assert (promoted.source_deployment_id, START.decode(promoted.start), promoted.domains) == (
        old.id,
        "warm",
        done.domains,
    )
    assert await _state(project) == (old.id, True)


async def test_a_stopped_target_starts_cold_and_a_dry_run_leaves_it_stopped(project: Project) -> None:
    old, new = await _two(project)
    await _stop(project, old)

    rehearsed = await project.control.rollback(project.slug, old.id, dry_run=True)

    assert (START.decode(rehearsed.start), project.stack.instance_processes(old.id)) == ("cold", [])
    assert await _state(project) == (new.id, False)

    rolled_back = await project.control.rollback(project.slug, old.id)
    promoted = await project.control.promote(project.slug, new.id)

    assert (START.decode(rolled_back.start), rolled_back.domains) == ("cold", rehearsed.domains)
    assert (promoted.source_deployment_id, START.decode(promoted.start)) == (old.id, "warm")
    assert await project.answers("live") == "new"


async def test_without_preempting_a_rollback_goes_back_from_what_is_live_when_its_turn_comes(project: Project) -> None:
    old, _ = await _two(project)
    third = await project.create("third", behaviour="slow", commit="3333333")
    await project.reaches(third.id, "poll until ready")

    answer = await project.control.rollback(project.slug, old.id, no_preempt=True)

    assert status_of(await project.control.get_deployment(third.id)) == "ready"
    assert (answer.source_deployment_id, answer.target_deployment_id) == (third.id, old.id)
    assert not answer.preempted_deployment_ids
    assert await _state(project) == (old.id, True)


@AS_USERS_RUN_IT
async def test_readers_never_see_half_of_a_switch(project: Project) -> None:
    """Domains, gateway configs, live pointer and flag agree in every read while live goes back and forth."""
    old, new = await _two(project)
    seen: set[tuple[str, bool]] = set()
    done = asyncio.Event()

    async def read() -> None:
        query = (
            "select p.live_deployment_id as live, p.is_rolled_back as held, d.sticky, d.deployment_id as domain, "
            "g.deployment_id as config from projects p join domains d on d.project_id = p.id "
            "join gateway_configs g on g.hostname = d.hostname "
            "where p.id = :id and d.sticky in ('live', 'environment')"
        )
        while not done.is_set():
            rows = await project.stack.sql(query, id=project.id)
            assert len(rows) == 2
            assert len({r["live"] for r in rows} | {r["domain"] for r in rows} | {r["config"] for r in rows}) == 1, rows
            seen.add((rows[0]["live"], bool(rows[0]["held"])))

    reader = asyncio.create_task(read())
    for _ in range(3):
        await project.control.rollback(project.slug, old.id)
        await project.control.promote(project.slug, new.id)
    done.set()
    await reader

    assert seen <= {(new.id, False), (old.id, True)}


async def _two(project: Project) -> tuple[pb.Deployment, pb.Deployment]:
    old = await project.deploy("old", commit="1111111")
    new = await project.deploy("new", commit="2222222")
    assert status_of(old) == status_of(new) == "ready"
    return old, new


async def _stop(project: Project, deployment: pb.Deployment) -> None:
    """As retention does it."""
    metadata = await project.stack.sql("select workspace_id from deployments where id = :id", id=deployment.id)
    async with KraneClient(project.stack.ready["krane_grpc"]) as krane:
        await krane.stop(metadata[0]["workspace_id"], deployment.id)


async def _state(project: Project) -> tuple[str, bool]:
    row = (await project.stack.sql("select * from projects where id = :id", id=project.id))[0]
    return row["live_deployment_id"], bool(row["is_rolled_back"])


async def _refused(project: Project, target: str, error: type[InterlockError], words: str) -> None:
    with pytest.raises(error, match=words):
        await project.control.rollback(project.slug, target)
