"""Deploy, box by box, on the real parts, in normal and in always-replay mode."""

import asyncio
import json

import httpx
import pytest
from sqlalchemy import select

from services.ctrl.enums import INSTANCE_STATUS, STICKY, status_of
from services.db.tables import Deployment, Environment
from services.db.tables import Project as ProjectRow
from services.domain.errors import Conflict
from services.gen.hydra.v1 import deployment_pb2
from tests import boxes
from tests.end_to_end.conftest import AS_USERS_RUN_IT
from tests.end_to_end.stack import APP, Project, eventually


async def test_a_deployment_goes_through_every_box_and_serves(project: Project) -> None:
    deployed = await project.deploy("one", replicas=2)
    # Ready is said before the last boxes, which only look back.
    await project.reaches(deployed.id, "select surplus")
    deployed = await project.control.get_deployment(deployed.id)

    assert status_of(deployed) == "ready"
    assert deployed.is_live
    assert {step.name for step in deployed.steps} == set(boxes.DEPLOY)
    assert all(step.ended_at_ms >= step.started_at_ms > 0 for step in deployed.steps[:-1])
    assert not any(step.error for step in deployed.steps)
    assert len({instance.address for instance in deployed.instances}) == 2
    assert all(
        instance.healthy and INSTANCE_STATUS.decode(instance.status) == "running" for instance in deployed.instances
    )
    assert {STICKY.decode(domain.sticky) for domain in deployed.domains} == {"commit", "branch", "environment", "live"}
    for domain in deployed.domains:
        assert (await project.stack.get(domain.hostname)).json()["version"] == "one"


@AS_USERS_RUN_IT
async def test_the_resources_of_the_row_are_what_krane_runs(project: Project) -> None:
    deployed = await project.deploy("sized", replicas=2, cpu_millicores=333, memory_mib=222)

    record = project.stack.data_dir / "krane" / "deployments" / deployed.id / "deployment.json"
    run = json.loads(record.read_text())["spec"]["run"]
    assert (run["replicas"], run["cpu_millicores"], run["memory_mib"]) == (2, 333, 222)
    row = (await project.stack.sql("select * from deployments where id = :id", id=deployed.id))[0]
    kept = json.loads(row["run"])
    assert (kept["replicas"], kept["cpu_millicores"], kept["memory_mib"]) == (2, 333, 222)


@AS_USERS_RUN_IT
async def test_every_replica_takes_traffic(project: Project) -> None:
    await project.deploy("one", replicas=2)
    live = await project.hostname("live")

    answers = [(await project.stack.get(live)).json()["instance"] for _ in range(20)]

    assert len(set(answers)) == 2


@AS_USERS_RUN_IT
async def test_what_one_deployment_wrote_beside_its_code_the_next_one_does_not_find(project: Project) -> None:
    app = (
        "import os, runpy\nprint('had', os.path.exists('db'))\nopen('db', 'a').write('x')\nrunpy.run_path('real.py')\n"
    )
    source = await project.source("one", files={"app.py": app, "real.py": APP.read_text()})

    for commit in ("1111111", "2222222"):
        deployed = await project.deploy("one", source=source, commit=commit)

        logged = await asyncio.to_thread(project.stack.cli, "logs", deployed.id)
        assert status_of(deployed) == "ready"
        assert "had False" in logged.stdout


@AS_USERS_RUN_IT
async def test_the_openapi_document_is_stored_once_by_digest(project: Project) -> None:
    first = await project.deploy("same")
    second = await project.deploy("same", commit="abcdef1")

    assert first.openapi_digest == second.openapi_digest != ""
    rows = await project.stack.sql(
        "select content from openapi_documents where digest = :digest", digest=first.openapi_digest
    )
    assert [json.loads(row["content"])["info"]["version"] for row in rows] == ["same"]


async def test_a_newer_deployment_takes_all_but_the_commit_name(project: Project) -> None:
    old = await project.deploy("old", commit="1111111")
    new = await project.deploy("new", commit="2222222")

    for sticky in ("branch", "environment", "live"):
        assert await project.answers(sticky) == "new"
    assert await project.answers("commit", deployment_id=old.id) == "old"
    assert await project.answers("commit", deployment_id=new.id) == "new"
    assert await project.live() == new.id


@AS_USERS_RUN_IT
async def test_the_same_commit_twice_gets_two_commit_names(project: Project) -> None:
    first = await project.deploy("first", commit="1111111")
    second = await project.deploy("second", commit="1111111")

    assert await project.answers("commit", deployment_id=first.id) == "first"
    assert await project.answers("commit", deployment_id=second.id) == "second"


@AS_USERS_RUN_IT
async def test_a_preview_gets_its_names_and_leaves_live_alone(project: Project) -> None:
    production = await project.deploy("production")
    preview = await project.deploy("preview", environment="preview", branch="feat/x")

    assert status_of(preview) == "ready"
    assert not preview.is_live
    assert {STICKY.decode(domain.sticky) for domain in preview.domains} == {"commit", "branch", "environment"}
    assert await project.live() == production.id
    assert await project.answers("live") == "production"
    assert await project.answers("environment", "preview") == "preview"
    assert await project.answers("branch", "preview") == "preview"


@AS_USERS_RUN_IT
@pytest.mark.parametrize("body", [b'{"deployment_id": "%s"}', b'{"deploymentId": "%s"}'])
async def test_deploy_is_called_by_curl_at_the_ingress(project: Project, body: bytes) -> None:
    pending = await _pending(project)

    answer = await _call(project, "Deploy", body.replace(b"%s", pending.encode()), "application/x-www-form-urlencoded")

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ready"
    assert answer.json()["is_live"] is True


@AS_USERS_RUN_IT
async def test_deploy_is_called_and_answers_in_binary_at_the_ingress(project: Project) -> None:
    pending = await _pending(project)
    request = deployment_pb2.DeployRequest(deployment_id=pending)

    answer = await _call(project, "Deploy", request.SerializeToString(), "application/protobuf")

    assert answer.status_code == 200, answer.text
    decoded = deployment_pb2.DeployResponse.FromString(answer.content)
    assert (decoded.status, len(decoded.domains), decoded.is_live) == ("ready", 4, True)


async def test_a_deployment_is_worked_on_once_and_answers_the_same_again(project: Project) -> None:
    deployed = await project.deploy("once")
    before = project.stack.instance_processes(deployed.id)

    answer = await _call(project, "Deploy", json.dumps({"deployment_id": deployed.id}).encode())

    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert len(answer.json()["domains"]) == 4
    assert project.stack.instance_processes(deployed.id) == before


async def test_a_deployment_that_failed_is_not_tried_again(project: Project) -> None:
    failed = await project.deploy("bad", behaviour="exit")

    answer = await _call(project, "Deploy", json.dumps({"deployment_id": failed.id}).encode())

    assert answer.status_code == 409
    assert "create a new deployment" in answer.json()["message"]
    assert (await project.control.get_deployment(failed.id)).failure == failed.failure


@AS_USERS_RUN_IT
async def test_fifty_equal_requests_make_one_deployment(project: Project) -> None:
    source = await project.source("one")

    created = await asyncio.gather(
        *(project.create("one", source=source, idempotency_key="release-1") for _ in range(50))
    )

    assert len({deployment.id for deployment in created}) == 1
    with pytest.raises(Conflict):
        await project.create("one", source=source, idempotency_key="release-1", message="another body")
    assert status_of(await project.ended(created[0].id)) == "ready"
    assert len(project.stack.instance_processes(created[0].id)) >= 1


async def test_the_newest_of_parallel_deployments_is_live_at_the_end(project: Project) -> None:
    created = [await project.create(f"v{n}", commit=f"{n}{n}{n}{n}{n}{n}{n}") for n in range(4)]

    ended = [await project.ended(deployment.id) for deployment in created]

    assert {status_of(deployment) for deployment in ended} <= {"ready", "superseded"}
    assert status_of(ended[-1]) == "ready"
    assert await project.live() == created[-1].id
    assert await project.answers("live") == "v3"


async def test_a_superseded_deployment_is_refused_by_its_handler(project: Project) -> None:
    running = await project.create("running", behaviour="slow", commit="1111111")
    await project.reaches(running.id, "poll until ready")
    older = await project.create("older", commit="2222222")
    newer = await project.create("newer", commit="3333333")
    before = await project.ended(older.id, timeout=5)

    answer = await _call(project, "Deploy", json.dumps({"deployment_id": older.id}).encode())

    assert status_of(before) == "superseded"
    assert newer.id in before.failure.reason
    assert (answer.status_code, f"{older.id} is already superseded" in answer.json()["message"]) == (409, True)
    after = await project.control.get_deployment(older.id)
    assert (status_of(after), after.failure, after.ended_at_ms) == ("superseded", before.failure, before.ended_at_ms)
    await project.assert_gone(older.id)
    assert [status_of(await project.ended(d.id)) for d in (running, newer)] == ["ready", "ready"]
    assert await project.live() == newer.id


async def test_surplus_deployments_are_retired_and_can_be_rolled_back_to(project: Project) -> None:
    deployed = [await project.deploy(f"v{n}", commit=f"{n}{n}{n}{n}{n}{n}{n}") for n in range(6)]

    async def retired() -> bool:
        statuses = [status_of(await project.control.get_deployment(d.id)) for d in deployed]
        return statuses[:3] == ["stopped"] * 3 and statuses[3:] == ["ready"] * 3

    await eventually(retired, "the oldest three to be retired")

    async def stopped() -> bool:
        return not any(project.stack.instance_processes(d.id) for d in deployed[:3])

    await eventually(stopped, "their instances to be stopped")

    # A cold rollback: started again from its image, health-checked, then switched to.
    await project.control.rollback(project.slug, deployed[0].id)
    assert await project.answers("live") == "v0"
    assert status_of(await project.control.get_deployment(deployed[0].id)) == "ready"


@AS_USERS_RUN_IT
async def test_an_instance_that_crashes_is_started_again_and_routed(project: Project) -> None:
    await project.deploy("phoenix")
    live = await project.hostname("live")

    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{project.stack.ready['gateway']}/crash", headers={"host": live})

    async def is_back() -> bool:
        response = await project.stack.get(live)
        return response.status_code == 200 and response.json()["version"] == "phoenix"

    await eventually(is_back, "the instance to be started again")


@AS_USERS_RUN_IT
async def test_an_instance_that_crashes_serves_again_without_anybody_to_tell_the_gateways(project: Project) -> None:
    await project.deploy("phoenix")
    live = await project.hostname("live")

    with project.stack.hanging("endpoint"), project.stack.hanging("gateway"):
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{project.stack.ready['gateway']}/crash", headers={"host": live})
        await eventually(lambda: _answers(project, live), "the instance to be started again")


async def _answers(project: Project, hostname: str) -> bool:
    return (await project.stack.get(hostname)).status_code == 200


async def _pending(project: Project) -> str:
    """A pending deployment that nobody but the test hands to Restate."""
    deployment_id, source = f"d_called_{project.slug}", await project.source("called")
    database = project.stack.database()
    async with database.write() as session:
        owner = await session.get_one(ProjectRow, project.id)
        production = select(Environment.id).where(Environment.project_id == project.id, Environment.is_production)
        owner.last_generation += 1
        session.add(
            Deployment(
                id=deployment_id,
                workspace_id=owner.workspace_id,
                project_id=project.id,
                environment_id=(await session.scalars(production)).one(),
                generation=owner.last_generation,
                status="pending",
                source=source,
                branch="main",
                commit_sha="abcdef0",
                created_at_ms=0,
                # Kept from the dispatcher, which would hand it over.
                invocation_id="",
            )
        )
    await database.close()
    return deployment_id


async def _call(project: Project, handler: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
    url = f"{project.stack.ready['ingress']}/hydra.v1.DeploymentService/{project.id}/{handler}"
    async with httpx.AsyncClient(trust_env=False, timeout=90) as client:
        return await client.post(url, content=body, headers={"content-type": content_type})
