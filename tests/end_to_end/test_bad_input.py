"""Hostile and broken input: a clear error in bounded time, nothing left running, live untouched."""

import asyncio
import json

import httpx
import pytest

from services.ctrl.enums import STICKY, status_of
from services.domain.errors import Invalid, NotFound, PreconditionFailed
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import ENDED, Project, Stack, chunked, eventually, pack

SERVICE = "hydra.v1.DeploymentService"

# What is refused before a workflow waits for anything replays no differently.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)


@pytest.mark.parametrize(
    ("behaviour", "ready_seconds", "words"),
    [
        ("exit", 60, "3"),
        ("silent", 4, "gave up after 4 s"),
        ("unhealthy", 4, "500"),
    ],
)
async def test_an_app_that_never_becomes_healthy_fails_with_its_reason_and_log(
    project: Project, behaviour: str, ready_seconds: int, words: str
) -> None:
    step = "poll until ready"
    good = await project.deploy("good")

    bad = await project.deploy("bad", behaviour=behaviour, commit="2222222", ready_seconds=ready_seconds)

    assert status_of(bad) == "failed"
    assert bad.failure.step == step
    assert words in bad.failure.reason
    assert bad.failure.last_probe.status_code == (500 if behaviour == "unhealthy" else 0)
    assert bad.failure.last_probe.body == ("no" if behaviour == "unhealthy" else "")
    assert any(f"version bad behaves {behaviour}" in line for line in bad.failure.log_lines)
    assert next(s for s in bad.steps if s.name == step).error
    await project.assert_gone(bad.id)
    assert await project.live() == good.id
    assert await project.answers("live") == "good"


async def test_an_app_that_listens_elsewhere_is_told_where_while_it_is_waited_for(
    project: Project, stack: Stack
) -> None:
    deployment = await project.create("astray", "astray", ready_seconds=15)

    async def told() -> bool:
        found = await project.control.get_deployment(deployment.id)
        assert status_of(found) not in ENDED
        return any("it listens on 127.0.0.1:" in one.reason for one in found.instances)

    await eventually(told, "the instance to be told")
    watched = await asyncio.to_thread(stack.cli, "watch", deployment.id)
    failed = await project.ended(deployment.id)

    (line,) = [line for line in watched.stderr.splitlines() if "it listens on 127.0.0.1:" in line]
    assert f"{deployment.id}-0: " in line
    assert "not on PORT" in line
    assert "let it take its port from the variable PORT" in line
    assert "it listens on 127.0.0.1:" in failed.failure.reason
    assert "it listens on 127.0.0.1:" in failed.failure.last_probe.problem


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("redirect", "was answered with status 302"), ("huge", "it is larger than 20 MiB")]
)
async def test_an_openapi_document_that_cannot_be_had_does_not_stop_a_deployment_and_its_step_says_why(
    project: Project, behaviour: str, reason: str
) -> None:
    deployed = await project.deploy("one", behaviour=behaviour)

    assert status_of(deployed) == "ready"
    assert deployed.openapi_digest == ""
    (note,) = [step.note for step in deployed.steps if step.note]
    assert (note.startswith("the document is not kept: "), reason in note) == (True, True), note
    assert reason in project.stack.cli("show", deployed.id).stdout
    assert await project.answers("live") == "one"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"interlock.toml": '[start]\ncommand = "no-such-program"\n'}, "start"),
        ({"interlock.toml": "[start]\ncommand = ["}, "interlock.toml"),
        ({"interlock.toml": '[start]\ncommand = "python3 app.py"\nspeed = "high"\n'}, "speed"),
        ({"requirements.txt": "surely-no-such-package-interlock==9.9.9\n"}, "requirements.txt"),
    ],
)
async def test_a_source_that_cannot_be_built_fails_with_what_to_change(
    project: Project, files: dict[str, str], words: str
) -> None:
    source = await project.source("broken", files=files)

    failed = await project.deploy("broken", source=source)

    assert status_of(failed) == "failed"
    assert failed.failure.step == "build"
    assert words in failed.failure.reason + "\n".join(failed.failure.log_lines)
    await project.assert_gone(failed.id)


@pytest.mark.parametrize("branch", ["功能", "x" * 250, "../..", "🚂🚃", "feat/x", "Feature/ABC-123", "-", "a" * 63])
async def test_any_branch_name_gets_a_hostname_that_answers(project: Project, branch: str) -> None:
    deployed = await project.deploy("one", branch=branch)

    assert status_of(deployed) == "ready"
    (hostname,) = [domain.hostname for domain in deployed.domains if STICKY.decode(domain.sticky) == "branch"]
    assert len(hostname.split(".")[0]) <= 63
    assert (await project.stack.get(hostname)).json()["version"] == "one"


@pytest.mark.parametrize(
    ("handler", "body", "status", "words"),
    [
        ("Deploy", b"", 400, ""),
        ("Deploy", b"{", 400, "DeployRequest"),
        ("Deploy", b"[]", 400, "object"),
        ("Deploy", b'{"deployment_id": 7}', 400, "deployment_id"),
        ("Deploy", b'{"deploymentid": "d_1"}', 400, "deploymentid"),
        ("Deploy", b"{}", 400, "deployment_id is missing"),
        ("Deploy", b'{"deployment_id": "../../etc"}', 400, "is not an id"),
        ("Deploy", b'{"deployment_id": "d_nope"}', 404, "has no deployment d_nope"),
        ("Deploy", b"\xff\xff\xff\xff", 400, "DeployRequest"),
        ("Deploy", b'{"deployment_id": "' + b"x" * 2_000_000 + b'"}', 400, "larger"),
        ("Rollback", b'{"source_deployment_id": "d_a", "target_deployment_id": "d_b"}', 404, "d_a"),
        ("Rollback", b'{"source_deployment_id": "d_a"}', 400, "target_deployment_id is missing"),
        ("Promote", b'{"target_deployment_id": "d_b"}', 404, "d_b"),
        ("SwitchDomains", b'{"target_deployment_id": "d_b", "domain_ids": ["x"], "reason": "NO_SUCH"}', 400, "reason"),
        ("AssignDomains", b'{"project_id": "p_other"}', 400, "project_id"),
        ("Deploy", b'{"deployment_id": "d_b", "key_auth_id": "key_1"}', 412, "leave it out"),
        ("AssignDomains", b'{"gateway_config": {"auth": {"key_auth_id": "key_1"}}}', 412, "gateway_config.auth"),
        ("AssignDomains", b'{"gateway_config": {"validation": {"openapi_spec": "{}"}}}', 412, "openapi_spec"),
        ("AssignDomains", b'{"gateway_config": {"deployment": {"id": "d_b"}}}', 412, "is_enabled"),
    ],
)
async def test_a_bad_call_is_refused_at_once_and_says_what_is_wrong(
    project: Project, handler: str, body: bytes, status: int, words: str
) -> None:
    url = f"{project.stack.ready['ingress']}/{SERVICE}/{project.id}/{handler}"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.post(url, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]


async def test_a_deployment_of_another_project_is_not_found(project: Project) -> None:
    deployed = await project.deploy("one")
    other = await project.control.create_project(f"{project.slug}-other")

    url = f"{project.stack.ready['ingress']}/{SERVICE}/{other.id}/Deploy"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.post(url, json={"deployment_id": deployed.id})

    assert answer.status_code == 404
    assert status_of(await project.control.get_deployment(deployed.id)) == "ready"


async def test_routing_is_private_at_the_ingress(project: Project) -> None:
    url = f"{project.stack.ready['ingress']}/hydra.v1.RoutingService/{project.id}/AssignDomains"
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.post(url, content=json.dumps({}), headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert "not public" in answer.json()["message"]


@pytest.mark.parametrize("slug", ["", "Ünïcode", "a--b", "-a", "a" * 41, "../..", "x y", "a.b"])
async def test_a_project_slug_that_is_none_is_refused(project: Project, slug: str) -> None:
    with pytest.raises(Invalid, match="slug"):
        await project.control.create_project(slug)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"environment": "nowhere"}, NotFound),
        ({"image": "artifact@sha256:00"}, Invalid),
        ({"source": "", "image": ""}, Invalid),
        ({"replicas": 51}, Invalid),
        ({"commit": "not-hex"}, Invalid),
        ({"branch": "x" * 300}, Invalid),
        ({"branch": "a\nb"}, Invalid),
        ({"health_path": "//evil.example/"}, Invalid),
        ({"health_path": "@evil.example/"}, Invalid),
        ({"memory_mib": 1}, Invalid),
        ({"key_auth_id": "key_1"}, PreconditionFailed),
    ],
)
async def test_a_deployment_that_cannot_be_is_refused_before_it_begins(
    project: Project, fields: dict[str, object], error: type[Exception]
) -> None:
    request = {"project": project.slug, "environment": "production", "source": await project.source("one"), **fields}

    with pytest.raises(error):
        await project.control.create_deployment(pb.CreateDeploymentRequest(**request))

    assert not (await project.control.list_deployments(project.slug)).deployments


async def test_a_source_that_was_never_uploaded_fails_the_build(project: Project) -> None:
    failed = await project.deploy("none", source="source@sha256:" + "0" * 64)

    assert status_of(failed) == "failed"
    assert "upload" in failed.failure.reason


async def test_an_image_that_the_backend_cannot_run_is_refused_with_what_it_can(project: Project) -> None:
    request = pb.CreateDeploymentRequest(project=project.slug, environment="production", image="nginx:1.27")

    with pytest.raises(PreconditionFailed, match=r"runs only what it built: deploy a source"):
        await project.control.create_deployment(request)

    assert not (await project.control.list_deployments(project.slug)).deployments


async def test_an_archive_that_points_outside_of_itself_is_refused(project: Project) -> None:
    folder = project.sources / "evil"
    folder.mkdir()
    (folder / "link").symlink_to("/etc/passwd")

    with pytest.raises(Invalid, match="link"):
        await project.control.upload_source(chunked(pack(folder)))


async def test_an_unknown_host_is_answered_404_in_readable_words(project: Project) -> None:
    answer = await project.stack.get("nobody.interlock.localhost")

    assert answer.status_code == 404
    assert "no deployment" in answer.text.lower()
