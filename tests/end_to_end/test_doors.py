"""The same operations through gRPC, through Restate's own tools, and through the command line."""

import json
from collections.abc import AsyncIterator

import grpc
import pytest

from services.ctrl.enums import STICKY
from services.gen.hydra.v1 import deployment_pb2, deployment_pb2_grpc, routing_pb2, routing_pb2_grpc
from tests.end_to_end.stack import Project

# The doors are the same in both modes; the workflows behind them have their own tests.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)


@pytest.fixture
async def channel(project: Project) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(project.stack.ready["ctrl_grpc"]) as open_channel:
        yield open_channel


async def test_a_grpc_client_rolls_back_and_promotes(project: Project, channel: grpc.aio.Channel) -> None:
    old = await project.deploy("old", commit="1111111")
    new = await project.deploy("new", commit="2222222")
    stub = deployment_pb2_grpc.DeploymentServiceStub(channel)
    key = (("x-restate-key", project.id), ("idempotency-key", f"back-{project.slug}"))
    request = deployment_pb2.RollbackRequest(source_deployment_id=new.id, target_deployment_id=old.id)

    first = await stub.Rollback(request, metadata=key, timeout=30)
    again = await stub.Rollback(request, metadata=key, timeout=30)

    assert first == again
    assert len(first.domains) == 2
    assert await project.answers("live") == "old"

    promote = deployment_pb2.PromoteRequest(target_deployment_id=new.id)
    await stub.Promote(promote, metadata=(("x-restate-key", project.id),), timeout=30)
    assert await project.answers("live") == "new"


async def test_a_grpc_client_gets_the_right_status_and_message(project: Project, channel: grpc.aio.Channel) -> None:
    stub = deployment_pb2_grpc.DeploymentServiceStub(channel)
    key = (("x-restate-key", project.id),)

    async def code(request: deployment_pb2.DeployRequest, metadata: tuple[tuple[str, str], ...]) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Deploy(request, metadata=metadata, timeout=10)
        return caught.value.code()

    unknown = deployment_pb2.DeployRequest(deployment_id="d_nope")
    assert await code(unknown, key) == grpc.StatusCode.NOT_FOUND
    assert await code(unknown, ()) == grpc.StatusCode.INVALID_ARGUMENT
    assert await code(deployment_pb2.DeployRequest(deployment_id="a/b"), key) == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_custom_live_domain_is_assigned_and_follows_live(project: Project, channel: grpc.aio.Channel) -> None:
    old = await project.deploy("old", commit="1111111")
    stub = routing_pb2_grpc.RoutingServiceStub(channel)
    key = (("x-restate-key", project.id),)
    row = (await project.stack.sql("select * from deployments where id = :id", id=old.id))[0]
    custom = f"www.{project.slug}.example.com"
    request = routing_pb2.AssignDomainsRequest(
        workspace_id=row["workspace_id"],
        project_id=project.id,
        environment_id=row["environment_id"],
        deployment_id=old.id,
        domains=[routing_pb2.DomainToAssign(name=custom.upper(), sticky=routing_pb2.DOMAIN_STICKY_LIVE)],
    )

    answer = await stub.AssignDomains(request, metadata=key, timeout=30)

    assert list(answer.changed_domain_names) == [custom]
    assert (await project.stack.get(custom)).json()["version"] == "old"
    new = await project.deploy("new", commit="2222222")
    assert (await project.stack.get(custom)).json()["version"] == "new"
    rolled_back = await project.control.rollback(project.slug)
    assert custom in rolled_back.domains
    assert (await project.stack.get(custom)).json()["version"] == "old"
    assert new.is_live


async def test_a_hostname_of_another_workspace_cannot_be_taken(project: Project, channel: grpc.aio.Channel) -> None:
    await project.deploy("victim")
    victim = await project.hostname("live")
    async with project.stack.control("thieves") as control:
        theirs = await control.create_project(f"{project.slug}-thief")
        thief = Project(
            stack=project.stack, control=control, id=theirs.id, slug=theirs.slug, sources=project.sources / "thief"
        )
        deployed = await thief.deploy("thief")
    row = (await project.stack.sql("select * from deployments where id = :id", id=deployed.id))[0]
    request = routing_pb2.AssignDomainsRequest(
        workspace_id=row["workspace_id"],
        project_id=theirs.id,
        environment_id=row["environment_id"],
        deployment_id=deployed.id,
        domains=[routing_pb2.DomainToAssign(name=victim, sticky=routing_pb2.DOMAIN_STICKY_LIVE)],
    )

    stub = routing_pb2_grpc.RoutingServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.AssignDomains(request, metadata=(("x-restate-key", theirs.id),), timeout=30)

    assert caught.value.code() == grpc.StatusCode.ABORTED
    assert "is taken" in (caught.value.details() or "")
    assert "default" not in (caught.value.details() or "").replace(victim, "")
    assert (await project.stack.get(victim)).json()["version"] == "victim"


async def test_domains_are_switched_by_id(project: Project, channel: grpc.aio.Channel) -> None:
    old = await project.deploy("old", commit="1111111")
    await project.deploy("new", commit="2222222")
    domains = (await project.control.list_domains(project.slug)).domains
    branch = next(d for d in domains if STICKY.decode(d.sticky) == "branch")
    commit = next(d for d in domains if STICKY.decode(d.sticky) == "commit" and d.deployment_id != old.id)
    stub = routing_pb2_grpc.RoutingServiceStub(channel)
    key = (("x-restate-key", project.id),)

    request = routing_pb2.SwitchDomainsRequest(target_deployment_id=old.id, domain_ids=[branch.id])
    answer = await stub.SwitchDomains(request, metadata=key, timeout=30)

    assert list(answer.changed_domain_names) == [branch.hostname]
    assert (await project.stack.get(branch.hostname)).json()["version"] == "old"
    request = routing_pb2.SwitchDomainsRequest(target_deployment_id=old.id, domain_ids=[commit.id])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SwitchDomains(request, metadata=key, timeout=30)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_restates_own_command_line_shows_the_steps(project: Project) -> None:
    deployed = await project.deploy("seen")

    listed = project.stack.restate_cli("invocations", "list", "--all", "--service", "hydra.v1.DeploymentService")
    described = project.stack.restate_cli("invocations", "describe", deployed.invocation_id)

    assert deployed.invocation_id in listed
    for step in ("fetch metadata", "create in krane", "poll until ready", "scrape OpenAPI", "update live deployment"):
        assert step in described


async def test_restates_own_command_line_shows_the_state_of_the_project_while_it_works(project: Project) -> None:
    stuck = await project.create("stuck", behaviour="silent")
    await project.reaches(stuck.id, "poll until ready")

    shown = project.stack.restate_cli("kv", "get", "hydra.v1.DeploymentService", project.id)

    assert stuck.id in shown
    assert "deploy" in shown
    assert "poll until ready" in shown or "upsert instances" in shown
    await project.control.cancel_deployment(stuck.id)
    await project.ended(stuck.id)
    assert stuck.id not in project.stack.restate_cli("kv", "get", "hydra.v1.DeploymentService", project.id)


async def test_the_command_line_tells_the_whole_story(project: Project) -> None:
    stack, slug = project.stack, f"{project.slug}-cli"
    await project.source("one")
    folder = next(project.sources.iterdir())

    assert stack.cli("project", "create", slug).returncode == 0
    first = stack.cli("deploy", str(folder), "-p", slug, "--commit", "1111111", "-o", "json")
    (folder / "VERSION").write_text("two")
    second = stack.cli("deploy", str(folder), "-p", slug, "--commit", "2222222", "-o", "json")
    rolled_back = stack.cli("rollback", "-p", slug, "-o", "json")
    status = stack.cli("status", "-p", slug, "-o", "json")

    assert first.returncode == second.returncode == rolled_back.returncode == status.returncode == 0, second.stderr
    one, two = json.loads(first.stdout), json.loads(second.stdout)
    assert json.loads(rolled_back.stdout)["target_deployment_id"] == one["id"]
    assert json.loads(status.stdout)["project"]["is_rolled_back"] is True
    declined = stack.cli_on_a_terminal("promote", "-p", slug, answer="n")
    assert (declined.returncode, declined.stdout) == (1, "")
    assert f"live would move from {one['id']} to {two['id']}" in declined.stderr
    assert json.loads(stack.cli("status", "-p", slug, "-o", "json").stdout)["project"]["is_rolled_back"] is True
    promoted = stack.cli_on_a_terminal("promote", "-p", slug, answer="y")
    assert (promoted.returncode, f"live moved from {one['id']} to {two['id']}" in promoted.stdout) == (0, True)
    assert json.loads(stack.cli("show", slug, "-o", "json").stdout)["id"] == two["id"]
    shown = stack.cli("show", two["id"])
    assert "poll until ready" in shown.stdout
    assert two["id"] in stack.cli("ls", "-p", slug).stdout
    assert f"{slug}-default" in stack.cli("domains", "ls", "-p", slug).stdout
    assert "version two behaves ok" in stack.cli("logs", two["id"]).stdout
    (folder / "BEHAVIOUR").write_text("exit")
    failed = stack.cli("deploy", str(folder), "-p", slug)
    assert failed.returncode == 4
    assert "DATABASE_URL is not set" in failed.stdout + failed.stderr
    assert stack.cli("show", "d_nope").returncode == 9
    assert stack.cli("rollback", two["id"], "-p", slug).returncode == 7
