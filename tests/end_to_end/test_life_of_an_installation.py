"""The installation itself: what a stop and a start keep, and that the replay mode is what it says."""

import json
from pathlib import Path

import pytest

from services.ctrl.enums import status_of
from tests.end_to_end.conftest import QUICK
from tests.end_to_end.stack import Project, Stack, eventually


@pytest.mark.parametrize("stack", ["normal"], indirect=True)
async def test_the_doctor_finds_a_running_installation_fit(project: Project) -> None:
    shown = project.stack.cli("doctor", "-o", "json", "--data-dir", str(project.stack.data_dir))

    found = {finding["name"]: finding for finding in json.loads(shown.stdout)}
    assert (shown.returncode, found["parts"]["found"], found["ports"]["verdict"]) == (0, "all answer", "ok"), found


@pytest.mark.parametrize("stack", ["always-replay"], indirect=True)
async def test_in_replay_mode_a_waiting_workflow_is_suspended_at_once(project: Project) -> None:
    created = await project.create("slow", behaviour="slow")
    await project.reaches(created.id, "poll until ready")
    invocation_id = (await project.control.get_deployment(created.id)).invocation_id

    async with project.stack.restate() as restate:

        async def is_suspended() -> bool:
            found = await restate.find_invocation(invocation_id)
            return found is not None and found.status == "suspended"

        await eventually(is_suspended, "the workflow to be suspended")

    assert status_of(await project.ended(created.id)) == "ready"


async def test_data_survives_a_stop_and_a_start(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", QUICK)
    stack.start()
    async with stack.control() as control:
        created = await control.create_project("kept")
        project = Project(stack=stack, control=control, id=created.id, slug="kept", sources=tmp_path / "sources")
        old = await project.deploy("old", commit="1111111")
        new = await project.deploy("new", commit="2222222")
    before = stack.ready

    assert stack.stop() == 0
    assert stack.instance_processes(old.id) == stack.instance_processes(new.id) == []
    assert not stack.ready_file.exists()
    stack.start()

    try:
        assert stack.ready["gateway"] == before["gateway"]
        async with stack.control() as control:
            project = Project(stack=stack, control=control, id=created.id, slug="kept", sources=tmp_path / "sources")

            async def answers() -> bool:
                return await project.answers("live") == "new"

            await eventually(answers, "live to answer again")
            await control.rollback("kept")
            assert await project.answers("live") == "old"
    finally:
        stack.stop()
