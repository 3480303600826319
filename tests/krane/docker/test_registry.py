"""Images of a private registry, which is a real one: what they mean, who gets them, and what builds do with them."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Invalid, PreconditionFailed, Unavailable
from services.krane.backends.docker import pulls
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import BuildState, BuildStatus, HostCredential
from tests.krane.docker.registry import Registry, serving_registry
from tests.krane.docker.support import call, container
from tests.krane.docker_image import derive_image, import_image
from tests.krane.installation import DockerKind, Krane, krane_process
from tests.krane.support import NAMESPACE, ask, build_ended, healthy, in_chunks, marked_processes, pack, spec, until
from tests.registry_server import PASSWORD, RegistryServer
from tests.restate_server import free_port


@pytest.fixture(scope="session")
async def app(krane: Krane, registry: RegistryServer) -> AsyncGenerator[str]:
    """The digest of an image like the test app, which only the registry has, as "team/app:1"."""
    socket = krane.kind.settings.docker_socket
    await asyncio.to_thread(derive_image, socket, "interlock-test-private:1", krane.image, ["LABEL private=1"])
    digest = await asyncio.to_thread(registry.push, "interlock-test-private:1", "team/app:1")
    yield digest
    await asyncio.to_thread(registry.forget, f"{registry.host}/team/app@{digest}")


async def test_tag_is_resolved_by_its_registry_and_not_pulled(krane: Krane, registry: RegistryServer, app: str) -> None:
    name = f"{registry.host}/team/app"

    by_tag = await krane.client.resolve_image(NAMESPACE, f"{name}:1", registry.credential)

    assert by_tag == f"{name}@{app}"
    assert await krane.client.resolve_image(NAMESPACE, by_tag, registry.credential) == by_tag
    assert await krane.client.resolve_image(NAMESPACE, f"{name}:1@{app}", registry.credential) == by_tag
    assert name not in json.dumps(await call(krane.kind, "GET", "/images/json"))


async def test_image_that_only_the_engine_has_is_its_id(krane: Krane) -> None:
    resolved = await krane.client.resolve_image(NAMESPACE, krane.image)

    assert resolved == (await call(krane.kind, "GET", f"/images/{krane.image}/json"))["Id"]
    assert await krane.client.resolve_image(NAMESPACE, resolved) == resolved
    with pytest.raises(PreconditionFailed, match="is not here"):
        await krane.client.resolve_image(NAMESPACE, f"sha256:{'0' * 64}")


async def test_what_a_registry_refuses_is_told_apart(krane: Krane, registry: RegistryServer, app: str) -> None:
    wrong = replace(registry.credential, password="wrong")
    other = replace(registry.credential, host="ghcr.io")
    name = f"{registry.host}/team/app"

    for credential in (None, wrong):
        with pytest.raises(PreconditionFailed, match=r"denies it, .*`interlock credentials ls`"):
            await krane.client.resolve_image(NAMESPACE, f"{name}:1", credential)
    for missing in (f"{name}:2", f"{registry.host}/team/other:1", f"{name}@sha256:{'0' * 64}"):
        with pytest.raises(PreconditionFailed, match="does not have it"):
            await krane.client.resolve_image(NAMESPACE, missing, registry.credential)
    with pytest.raises(Invalid, match=r"the credential is for ghcr\.io"):
        await krane.client.resolve_image(NAMESPACE, f"{name}:1", other)
    with registry.away(), pytest.raises(Unavailable, match="cannot be pulled now"):
        await krane.client.resolve_image(NAMESPACE, f"{name}:1", registry.credential)


async def test_image_of_another_machine_is_told_before_it_is_pulled(krane: Krane) -> None:
    async with serving_registry(Registry(architecture="riscv64")) as host:
        with pytest.raises(PreconditionFailed, match=r"was made for riscv64, and this machine is"):
            await krane.client.resolve_image(NAMESPACE, f"{host}/app:1")


async def test_private_image_is_pulled_and_its_credential_is_not_kept(
    krane: Krane, registry: RegistryServer, app: str
) -> None:
    wanted = spec("private-1", f"{registry.host}/team/app@{app}")
    with pytest.raises(PreconditionFailed, match="denies it"):
        await krane.client.create(wanted)

    await krane.client.create(wanted, {}, registry.credential)
    await krane.client.create(wanted)
    instance = await healthy(krane.client, "private-1")

    assert (await ask(instance, "/healthz")).status_code == 200
    assert PASSWORD not in json.dumps(await container(krane.kind, "private-1-0"))
    assert files_with(krane.data_dir, PASSWORD) == []
    await krane.client.delete(NAMESPACE, "private-1")


async def test_image_that_the_engine_lost_is_pulled_again_at_a_start(
    krane: Krane, registry: RegistryServer, app: str
) -> None:
    image = f"{registry.host}/team/app@{app}"
    await krane.client.create(spec("cold-1", image), {}, registry.credential)
    await healthy(krane.client, "cold-1")
    await krane.client.stop(NAMESPACE, "cold-1")
    stopped = await container(krane.kind, "cold-1-0")
    await call(krane.kind, "DELETE", f"/containers/{stopped['Id']}", v="true")
    await asyncio.to_thread(registry.forget, image)

    with pytest.raises(PreconditionFailed, match="denies it"):
        await krane.client.start(NAMESPACE, "cold-1")
    await krane.client.start(NAMESPACE, "cold-1", registry.credential)

    await healthy(krane.client, "cold-1")
    assert (await container(krane.kind, "cold-1-0"))["Image"] == stopped["Image"]
    await krane.client.delete(NAMESPACE, "cold-1")


async def test_an_image_that_takes_long_is_pulled_between_calls(krane: Krane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulls, "WAIT_SECONDS", 0.2)
    slow = Registry()
    slow.is_open.clear()
    slow.refuse("/v2/app/manifests/2", 404, "MANIFEST_UNKNOWN")
    async with serving_registry(slow) as host:
        image = f"{host}/app@{slow.digest}"
        assert not await krane.client.pull_image(NAMESPACE, image)
        assert not await krane.client.pull_image(NAMESPACE, image)
        with pytest.raises(PreconditionFailed, match="does not have it"):
            await until(lambda: krane.client.pull_image(NAMESPACE, f"{host}/app:2"))

        slow.is_open.set()
        await until(lambda: krane.client.pull_image(NAMESPACE, image))

    assert await krane.client.pull_image(NAMESPACE, image)
    await call(krane.kind, "DELETE", f"/images/{image}", force="true")


@pytest.fixture(scope="session", params=["docker", "classic"])
def building_kind(request: pytest.FixtureRequest) -> DockerKind:
    """Each builder in turn."""
    return request.getfixturevalue(f"{request.param}_kind")


async def test_dockerfile_may_begin_with_a_private_image_and_copy_from_another(
    building_kind: DockerKind, registry: RegistryServer, tmp_path: Path
) -> None:
    kind, builder = building_kind, "buildkit" if building_kind.settings.build_memory_mib is None else "classic"
    names = [f"{registry.host}/team/{builder}-{part}" for part in ("base", "tools")]
    digests = [await push_small(kind, registry, f"{name.removeprefix(registry.host + '/')}:1") for name in names]
    base, tools = names
    dockerfile = (
        f'ARG TAG=1\nFROM {base}:${{TAG}} AS base\nFROM base\nCOPY --from={tools}:1 /app /tool\nCOPY a /a\nCMD ["/a"]\n'
    )

    async def built(client: KraneClient, name: str, *credentials: HostCredential) -> BuildState:
        source = (await client.upload_source(in_chunks(pack({"Dockerfile": dockerfile, "a": name})))).source
        await client.start_build(NAMESPACE, name, source, credentials=credentials)
        return await build_ended(client, name)

    async with running(tmp_path, kind.settings) as address, KraneClient(address) as client:
        denied = await built(client, "anonymous")
        private = await built(client, "private", registry.credential)
        later = [await built(client, "later"), await built(client, "wrong", replace(registry.credential, password="-"))]

    assert "the registry denies it" in denied.error
    assert private.status is BuildStatus.SUCCEEDED, private
    if builder == "buildkit":
        # What it has fetched for one is not for all. The classic builder keeps it as an image of the engine.
        assert [one.error for one in later] == [denied.error] * 2
    assert files_with(tmp_path, PASSWORD) == []
    await kind.end(tmp_path)
    for name, digest in zip(names, digests, strict=True):
        await asyncio.to_thread(registry.forget, f"{name}:1")
        await asyncio.to_thread(registry.forget, f"{name}@{digest}")


async def test_credentials_of_a_build_last_as_long_as_the_build(docker_kind: DockerKind, tmp_path: Path) -> None:
    credential = HostCredential(host="ghcr.io", username="u", password=PASSWORD)
    async with krane_process(docker_kind, tmp_path, free_port()) as (process, client):
        source = (await client.upload_source(in_chunks(docker_kind.slow_source("credentials")))).source
        await client.start_build(NAMESPACE, "slow", source, credentials=[credential])
        await until(lambda: _is_running("credentials"))

        (kept,) = files_with(tmp_path, PASSWORD)
        assert kept.stat().st_mode & 0o777 == 0o600

        await process.end(signal.SIGKILL)
        await process.start()
        await until(lambda: _is_running("credentials"))
        assert files_with(tmp_path, PASSWORD) == [kept]

        await client.cancel_build(NAMESPACE, "slow")
        assert files_with(tmp_path, PASSWORD) == []


def files_with(folder: Path, text: str) -> list[Path]:
    """The files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def push_small(kind: DockerKind, registry: RegistryServer, name: str) -> str:
    """Push an image that no other test has."""
    socket = kind.settings.docker_socket
    await asyncio.to_thread(import_image, socket, "interlock-test-small:1", ['CMD ["/app"]'], {"app": name.encode()})
    return await asyncio.to_thread(registry.push, "interlock-test-small:1", name)


async def _is_running(marker: str) -> bool:
    return bool(marked_processes(marker))
