"""Deploying from a git repository, on the real parts."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ctrl.enums import STICKY, status_of
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import APP, Project, eventually
from tests.git_repository import LOGIN, PASSWORD, USERNAME, GitServer, Repository, git_server, tells_password

# Replays cover what users see without them.
pytestmark = pytest.mark.parametrize("stack", ["always-replay"], indirect=True)

TOML = '[start]\ncommand = ["python3", "app.py"]\n\n[health]\npath = "/healthz"\n'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path) as serving:
        yield serving


async def test_a_branch_is_deployed_and_what_is_pushed_to_it_next_and_an_older_commit_again(
    project: Project, repository: Repository, server: GitServer
) -> None:
    url = f"{server.url}/repository/.git"
    files = {"app.py": APP.read_text(), "interlock.toml": TOML, "BEHAVIOUR": "ok"}
    older = repository.commit(files | {"VERSION": "one"})
    first = await deploy(project, url, "main")
    newer = repository.commit({"VERSION": "two"})
    second = await deploy(project, url, "main")

    for deployed, commit, version in ((first, older, "one"), (second, newer, "two")):
        assert (status_of(deployed), deployed.failure) == ("ready", pb.Failure())
        assert (deployed.git, deployed.commit) == (pb.GitSource(url=url, ref="main"), commit)
        assert (deployed.branch, deployed.source[:14]) == ("main", "source@sha256:")
        assert f"-git-{commit[:7]}-" in await project.hostname("commit", deployed.id)
        assert await project.answers("commit", deployment_id=deployed.id) == version
    for sticky in ("branch", "live"):
        assert await project.answers(sticky) == "two"
    assert "record commit" in {step.name for step in first.steps}

    repeated = await project.control.redeploy(pb.RedeployRequest(deployment_id=first.id))
    again = await project.ended(repeated.id)

    # The commit that was deployed, and not what is on the branch now.
    assert (status_of(again), again.commit, again.branch, again.git) == ("ready", older, "main", first.git)
    assert (again.source, again.image, await project.answers("live")) == (first.source, first.image, "one")

    third = await deploy(project, url, older)

    assert (status_of(third), third.commit, third.branch, third.source) == ("ready", older, "", first.source)
    assert (await project.answers("live"), await project.answers("branch")) == ("one", "one")


async def test_without_a_ref_the_default_branch_is_the_branch_and_nothing_that_waits_for_it_is_superseded(
    project: Project, repository: Repository, server: GitServer
) -> None:
    url = f"{server.url}/repository/.git"
    files = {"app.py": APP.read_text(), "interlock.toml": TOML, "BEHAVIOUR": "ok", "VERSION": "one"}
    repository.commit(files)
    repository.git("branch", "--move", "trunk")

    first = await create(project, url, "trunk")
    await project.reaches(first.id, "start build")
    waiting = await create(project, url, "trunk")
    # Nobody knows yet that it is of that branch as well.
    newest = await create(project, url, "")
    ended = [await project.ended(deployment.id) for deployment in (first, waiting, newest)]

    assert newest.branch == ""
    assert [(status_of(deployment), deployment.branch) for deployment in ended] == [("ready", "trunk")] * 3
    domains = (await project.control.list_domains(project.slug)).domains
    assert [domain.deployment_id for domain in domains if STICKY.decode(domain.sticky) == "branch"] == [newest.id]


async def test_what_cannot_be_fetched_fails_the_deployment_with_a_sentence(
    project: Project, repository: Repository, server: GitServer
) -> None:
    repository.commit({"app.py": ""})

    failed = await deploy(project, f"{server.url}/repository/.git", "nope")

    assert (status_of(failed), failed.failure.step, failed.commit) == ("failed", "build", "")
    assert "has no branch or tag 'nope': push it, or name another one" in failed.failure.reason
    assert any("couldn't find remote ref nope" in line for line in failed.failure.log_lines)
    await project.assert_gone(failed.id)


async def test_a_private_repository_is_deployed_with_a_token_that_is_nowhere_to_be_found(
    project: Project, repository: Repository, server: GitServer
) -> None:
    stack, url = project.stack, f"{server.url}/private/repository/.git"
    commit = repository.commit({"app.py": APP.read_text(), "interlock.toml": TOML, "BEHAVIOUR": "ok", "VERSION": "one"})

    refused = stack.cli("deploy", url, "--ref", "main", "-p", project.slug)
    told = re.search(r"interlock (credentials set localhost:\d+ --username) NAME", " ".join(refused.stderr.split()))
    assert told, refused
    done = stack.cli(*told[1].split(), USERNAME, stdin=f"{PASSWORD}\n")
    deployed = stack.cli("deploy", url, "-p", project.slug)
    assert (refused.returncode != 0, done.returncode, deployed.returncode) == (True, 0, 0), (done, deployed)

    newest = (await project.control.list_deployments(project.slug)).deployments[0]
    assert (status_of(newest), newest.commit, newest.branch) == ("ready", commit, "main")
    assert set(server.authorizations) == {LOGIN}
    answers = [
        str(await project.control.list_registry_credentials()),
        str(await project.control.list_deployments(project.slug)),
        str(await project.control.list_transitions(project.slug)),
        str(await project.control.logs(newest.id, build=True)),
        *(text for process in (refused, done, deployed) for text in (process.stdout, process.stderr)),
        await stack.journal(newest.invocation_id),
    ]
    assert [answer for answer in answers if tells_password(answer.encode())] == []
    # The database, Restate's data, krane's files and every log included.
    files = [path for path in stack.data_dir.parent.rglob("*") if path.is_file()]
    assert [path for path in files if tells_password(path.read_bytes())] == []
    assert stack.cli("credentials", "rm", server.host).returncode == 0


async def test_a_cancel_ends_a_fetch_at_once(project: Project, server: GitServer) -> None:
    created = await create(project, f"{server.url}/silent/app", "main")
    assert await asyncio.to_thread(server.asked.wait, 30)

    await project.control.cancel_deployment(created.id)

    assert status_of(await project.ended(created.id, timeout=10)) == "cancelled"

    async def is_ended() -> bool:
        return not (project.stack.data_dir / "krane" / "builds" / created.id / "fetch").exists()

    await eventually(is_ended, "the fetch to be cleared away", timeout=5)
    await project.assert_gone(created.id)


async def create(project: Project, url: str, ref: str) -> pb.Deployment:
    request = pb.CreateDeploymentRequest(project=project.slug, git=pb.GitSource(url=url, ref=ref))
    return await project.control.create_deployment(request)


async def deploy(project: Project, url: str, ref: str) -> pb.Deployment:
    """Deploy a commit and wait until it has ended."""
    return await project.ended((await create(project, url, ref)).id)
