import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.ctrl.client import ControlClient
from services.ctrl.enums import OPERATION, status_of
from services.domain.errors import Conflict, Invalid, NotFound, PreconditionFailed, Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation, ended


def request(project: str, **fields: Any) -> pb.CreateDeploymentRequest:
    values: dict[str, Any] = {"project": project, "image": IMAGE} | fields
    return pb.CreateDeploymentRequest(**values)


def git(url: str, ref: str = "") -> pb.GitSource:
    return pb.GitSource(url=url, ref=ref)


async def test_a_deployment_is_recorded_handed_over_and_becomes_ready(client: ControlClient, project: str) -> None:
    created = await client.create_deployment(
        request(project, environment="preview", branch="feat/x", commit="abcdef1", message="two\nlines")
    )

    assert (status_of(created), created.environment, created.generation) == ("pending", "preview", 1)
    assert (created.branch, created.commit, created.message, created.replicas) == (
        "feat/x",
        "abcdef1",
        "two\nlines",
        1,
    )
    ready = await ended(client, created.id)
    assert status_of(ready) == "ready"
    assert ready.invocation_id.startswith("inv_")
    assert [(step.name, OPERATION.decode(step.operation), step.error) for step in ready.steps] == [
        ("build", "deploy", "")
    ]
    assert not ready.HasField("failure")


async def test_a_failed_deployment_says_where_and_why(client: ControlClient, project: str) -> None:
    created = await client.create_deployment(request(project, message="fail in build"))

    failed = await ended(client, created.id)

    assert status_of(failed) == "failed"
    assert (failed.failure.step, failed.failure.reason) == ("build", "it broke")
    assert list(failed.failure.log_lines) == ["one", "two"]


async def test_fifty_equal_requests_at_once_are_one_deployment(client: ControlClient, project: str) -> None:
    requests = [request(project, idempotency_key="once") for _ in range(50)]

    created = await asyncio.gather(*(client.create_deployment(r) for r in requests))

    assert len({deployment.id for deployment in created}) == 1
    assert len((await client.list_deployments(project, 200)).deployments) == 1


async def test_fifty_different_requests_at_once_count_up_without_a_gap(client: ControlClient, project: str) -> None:
    created = await asyncio.gather(*(client.create_deployment(request(project)) for _ in range(50)))

    assert sorted(deployment.generation for deployment in created) == list(range(1, 51))
    listed = (await client.list_deployments(project, 3)).deployments
    assert [deployment.generation for deployment in listed] == [50, 49, 48]
    ends = {d.generation: status_of(await ended(client, d.id)) for d in created}
    assert ends[50] == "ready"
    assert set(ends.values()) <= {"ready", "superseded"}


async def test_another_request_under_a_used_key_is_a_conflict(client: ControlClient, project: str) -> None:
    first = await client.create_deployment(request(project, idempotency_key="k"))

    with pytest.raises(Conflict, match=f"'k'.*{first.id}"):
        await client.create_deployment(request(project, idempotency_key="k", branch="other"))


@pytest.mark.parametrize(
    ("ref", "fields", "branch", "commit"),
    [
        ("feat/x", {}, "feat/x", ""),
        ("refs/heads/feat/x", {}, "feat/x", ""),
        ("v1", {"branch": "releases"}, "releases", ""),
        ("", {}, "", ""),
        ("f" * 40, {}, "", "f" * 40),
    ],
)
async def test_a_git_source_is_kept_and_its_ref_says_branch_and_commit(
    client: ControlClient, project: str, ref: str, fields: dict[str, str], branch: str, commit: str
) -> None:
    source = git("https://git.example.com/app", ref)

    created = await client.create_deployment(request(project, image="", git=source, idempotency_key="k", **fields))
    listed = (await client.list_deployments(project)).deployments[0]

    assert (created.git, created.branch, created.commit, created.source) == (source, branch, commit, "")
    assert listed.git == source
    other = git("https://git.example.com/app", "other")
    with pytest.raises(Conflict, match="'k'"):
        await client.create_deployment(request(project, image="", git=other, idempotency_key="k", **fields))


async def test_the_same_key_in_another_project_is_another_deployment(client: ControlClient, project: str) -> None:
    other = (await client.create_project(f"{project}-b")).slug

    first = await client.create_deployment(request(project, idempotency_key="k"))
    second = await client.create_deployment(request(other, idempotency_key="k"))

    assert first.id != second.id


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"image": ""}, "exactly one of source, image and git"),
        ({"source": "source@sha256:" + "0" * 64}, "exactly one of source, image and git"),
        ({"git": git("https://git.example.com/app")}, "exactly one of source, image and git"),
        ({"image": "", "git": git("")}, "the git URL is not usable"),
        ({"image": "", "git": git("https://u:s3cret@git.example.com/app")}, "the git URL holds credentials"),
        ({"image": "", "git": git("https://git.example.com/app", "--all")}, "git ref '--all' is not usable"),
        (
            {"image": "", "git": git("https://git.example.com/app"), "commit": "abcdef1"},
            "takes its commit from the ref",
        ),
        ({"image": "", "source": "source@sha256:../../etc"}, "source"),
        ({"image": "", "source": "source@sha256:" + "0" * 63}, "source"),
        ({"image": "-v/:/mnt"}, "image"),
        ({"image": "a b"}, "image"),
        ({"image": "x" * 256}, "image"),
        ({"environment": "Production"}, "environment"),
        ({"environment": "../x"}, "environment"),
        ({"branch": "b" * 256}, "branch"),
        ({"branch": "a\r\nb"}, "branch"),
        ({"branch": "a\x00b"}, "branch"),
        ({"commit": "abcdef"}, "commit"),
        ({"commit": "ABCDEF1"}, "commit"),
        ({"commit": "f" * 65}, "commit"),
        ({"message": "m" * 1001}, "message"),
        ({"message": "\x1b[2J"}, "message"),
        ({"replicas": 51}, "replicas is 51: use 1 to 50"),
        ({"cpu_millicores": 9}, "cpu_millicores"),
        ({"cpu_millicores": 64_001}, "cpu_millicores"),
        ({"memory_mib": 15}, "memory_mib"),
        ({"memory_mib": 2**63}, "memory_mib"),
        ({"health_path": "healthz"}, "health_path"),
        ({"port": 65536}, "port is 65536: use 1 to 65535"),
        ({"stop_seconds": 301}, "stop_seconds is 301: use 1 to 300"),
        ({"release_command": [""]}, "release_command names no program"),
        ({"health_path": "//evil.example"}, "health_path"),
        ({"health_path": "/a b"}, "health_path"),
        ({"health_path": "/\\evil"}, "health_path"),
        ({"health_path": "/@evil.example/"}, "health_path"),
        ({"health_path": "/x\r\nhost: y"}, "health_path"),
        ({"health_path": "/" + "x" * 255}, "health_path"),
        ({"key_auth_id": ""}, "key_auth_id is missing"),
        ({"key_auth_id": "a/b"}, "key_auth_id"),
        ({"idempotency_key": "a b"}, "idempotency_key"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"project": ""}, "project is missing"),
        ({"project": "a'b"}, "project"),
    ],
)
async def test_a_bad_request_is_refused_and_leaves_nothing(
    client: ControlClient, project: str, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        await client.create_deployment(request(**({"project": project} | fields)))

    assert not (await client.list_deployments(project)).deployments


async def test_a_key_that_no_gateway_would_ask_for_is_refused_and_leaves_nothing(
    client: ControlClient, project: str
) -> None:
    with pytest.raises(PreconditionFailed, match="no gateway enforces key_auth_id"):
        await client.create_deployment(request(project, key_auth_id="key_1"))

    assert not (await client.list_deployments(project)).deployments


async def test_an_unknown_environment_is_answered_with_the_ones_that_exist(client: ControlClient, project: str) -> None:
    with pytest.raises(NotFound, match="production, preview"):
        await client.create_deployment(request(project, environment="staging"))


async def test_another_workspaces_deployment_is_unknown_to_every_method(
    installation: Installation, client: ControlClient, project: str
) -> None:
    deployment = await client.create_deployment(request(project))

    async with installation.client("stranger") as stranger:
        for call in (
            stranger.get_deployment(deployment.id),
            stranger.cancel_deployment(deployment.id),
            stranger.logs(deployment.id),
            stranger.list_deployments(project),
            stranger.list_domains(project),
            stranger.create_deployment(request(project)),
            stranger.rollback(project, deployment.id),
            stranger.promote(project, deployment.id),
        ):
            with pytest.raises(NotFound):
                await call


@pytest.mark.parametrize("deployment_id", ["", "../x", "d_'; drop table deployments; --", "x" * 64])
async def test_what_is_no_id_is_refused(client: ControlClient, deployment_id: str) -> None:
    for call in (client.get_deployment(deployment_id), client.cancel_deployment(deployment_id)):
        with pytest.raises(Invalid, match="deployment_id"):
            await call


async def test_a_limit_has_a_limit(client: ControlClient, project: str) -> None:
    with pytest.raises(Invalid, match="limit is 201: use 1 to 200"):
        await client.list_deployments(project, 201)


@pytest.fixture
def krane(installation: Installation) -> Iterator[None]:
    """A real krane behind ctrl."""
    installation.start_krane()
    yield
    installation.stop_krane()


@pytest.mark.usefixtures("krane")
async def test_a_source_goes_through_to_krane_in_chunks(client: ControlClient) -> None:
    archive = _archive({"app.py": b"print()", "blob": bytes(range(256)) * 4096})

    source = await client.upload_source(_chunks(archive, 1000))

    assert source.startswith("source@sha256:")
    with pytest.raises(Invalid):
        await client.upload_source(_chunks(b"not an archive", 5))


@pytest.mark.usefixtures("krane")
async def test_logs_of_a_deployment_that_krane_knows_nothing_of_are_not_found(
    client: ControlClient, project: str
) -> None:
    deployment = await client.create_deployment(request(project))

    with pytest.raises(NotFound):
        await client.logs(deployment.id, build=True)


async def test_without_krane_logs_are_unavailable(client: ControlClient, project: str) -> None:
    deployment = await client.create_deployment(request(project))

    with pytest.raises(Unavailable, match="krane"):
        await client.logs(deployment.id)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


async def _chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_a_redeploy_keeps_the_digest_and_a_repeated_one_is_the_same_deployment(
    client: ControlClient, project: str
) -> None:
    first = await ended(
        client, (await client.create_deployment(request(project, environment="preview", branch="b"))).id
    )

    def again(**fields: Any) -> pb.RedeployRequest:
        return pb.RedeployRequest(deployment_id=first.id, idempotency_key="again", **fields)

    second = await client.redeploy(again())

    assert (second.image, second.asked_image, second.environment, second.branch) == (
        first.image,
        first.asked_image,
        "preview",
        "b",
    )
    assert second.id != first.id
    assert (await client.redeploy(again())).id == second.id
    with pytest.raises(Conflict, match="was used for deployment"):
        await client.redeploy(again(message="other"))
    with pytest.raises(NotFound, match="has no deployment 'd_unknown'"):
        await client.redeploy(pb.RedeployRequest(deployment_id="d_unknown"))
