"""Which images can be deployed, and the sentences that say why another cannot."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from services.domain.errors import InterlockError, Invalid, PreconditionFailed, Unavailable
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import find_image
from services.krane.backends.docker.problems import engine_problem, pull_problem
from tests.krane.docker.registry import Registry, serving_registry
from tests.krane.docker.support import call
from tests.krane.docker_image import import_image
from tests.krane.installation import DockerKind


@pytest.fixture
async def engine(docker_kind: DockerKind) -> AsyncGenerator[Engine]:
    """The machine's engine."""
    engine = Engine(docker_kind.settings.docker_socket)
    yield engine
    await engine.close()


@pytest.mark.parametrize(
    "name",
    ["", "-app", "app:", "../app", "App", "app@sha256:12", "sha256:12", "a b", "app\n", "a" * 500]
    + [f"{kind}@sha256:{'0' * 64}" for kind in ("artifact", "source")],
)
async def test_what_names_no_image_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(Invalid, match="names no image"):
        await find_image(engine, name)


async def test_tag_becomes_the_id_of_the_image(engine: Engine, docker_kind: DockerKind) -> None:
    tag = await docker_kind.image()

    by_tag = await find_image(engine, tag)

    assert by_tag.id.startswith("sha256:")
    assert (by_tag.port, by_tag.app.settings.run.health_path) == (8080, "/healthz")
    assert await find_image(engine, by_tag.id) == by_tag


@pytest.mark.parametrize(
    ("exposed", "port"), [(["3000"], 3000), (["3000/udp"], 8080), (["80", "443"], 8080), (["80", "53/udp"], 80)]
)
async def test_the_one_exposed_port_is_where_the_image_listens(
    engine: Engine, docker_kind: DockerKind, exposed: list[str], port: int
) -> None:
    changes = ['CMD ["/app"]', *(f"EXPOSE {each}" for each in exposed)]
    await asyncio.to_thread(
        import_image, docker_kind.settings.docker_socket, "interlock-test-ports:1", changes, {"app": b""}
    )

    assert (await find_image(engine, "interlock-test-ports:1")).port == port

    await call(docker_kind, "DELETE", "/images/interlock-test-ports:1")


async def test_image_without_a_command_is_refused(engine: Engine, docker_kind: DockerKind) -> None:
    await asyncio.to_thread(import_image, docker_kind.settings.docker_socket, "interlock-test-mute:1", [], {"app": b""})

    with pytest.raises(PreconditionFailed, match="give it a CMD or an ENTRYPOINT"):
        await find_image(engine, "interlock-test-mute:1")

    await call(docker_kind, "DELETE", "/images/interlock-test-mute:1")


@pytest.mark.parametrize("label", ["nonsense", '{"command": [], "settings": {"run": {"port": 70000}}}'])
async def test_image_with_a_label_that_cannot_be_used_is_refused(
    engine: Engine, docker_kind: DockerKind, label: str
) -> None:
    changes = ['CMD ["/app"]', f"LABEL interlock.app='{label}'"]
    await asyncio.to_thread(
        import_image, docker_kind.settings.docker_socket, "interlock-test-label:1", changes, {"app": b""}
    )

    with pytest.raises(PreconditionFailed, match=r"label interlock.app that cannot be used: remove it"):
        await find_image(engine, "interlock-test-label:1")

    await call(docker_kind, "DELETE", "/images/interlock-test-label:1")


async def test_image_is_pulled_when_it_is_not_here(engine: Engine, docker_kind: DockerKind) -> None:
    registry = Registry()
    async with serving_registry(registry) as host:
        by_digest = await find_image(engine, f"{host}/app@{registry.digest}")
        by_tag = await find_image(engine, f"{host}/app:1")

    assert by_tag == by_digest
    await call(docker_kind, "DELETE", f"/images/{by_tag.id}", force="true")


async def test_image_of_another_architecture_is_refused_and_does_not_stay(engine: Engine) -> None:
    async with serving_registry(Registry(architecture="riscv64")) as host:
        with pytest.raises(PreconditionFailed, match=r"was made for riscv64, and this machine is"):
            await find_image(engine, f"{host}/app:1")
        assert await engine.inspect_image(f"{host}/app:1") is None


@pytest.mark.parametrize(
    ("status", "code", "kind", "sentence"),
    [
        (404, "MANIFEST_UNKNOWN", PreconditionFailed, "the registry does not have it"),
        (401, "UNAUTHORIZED", PreconditionFailed, "the registry denies it"),
        (403, "DENIED", PreconditionFailed, "the registry denies it"),
        (503, "UNAVAILABLE", Unavailable, "cannot be pulled now"),
    ],
)
async def test_refusal_of_a_registry_says_what_to_do(
    engine: Engine, status: int, code: str, kind: type[InterlockError], sentence: str
) -> None:
    registry = Registry()
    registry.refuse("/v2/app/manifests/1", status, code)

    async with serving_registry(registry) as host:
        with pytest.raises(kind, match=sentence):
            await find_image(engine, f"{host}/app:1")


async def test_registry_that_does_not_answer_is_weather(engine: Engine, unused_tcp_port: int) -> None:
    with pytest.raises(Unavailable, match="cannot be pulled now"):
        await find_image(engine, f"127.0.0.1:{unused_tcp_port}/app:1")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "architecture of this machine"),
        ("failed to register layer: write /usr/lib/x: no space left on device", "disk of the Docker Engine is full"),
        (
            "pull access denied for x, repository does not exist or may require 'docker login': denied: requested "
            "access to the resource is denied",
            "denies it, or does not have it",
        ),
    ],
)
def test_what_registries_say_becomes_a_sentence(message: str, sentence: str) -> None:
    problem = pull_problem("x:1", message)

    assert isinstance(problem, PreconditionFailed)
    assert sentence in problem.message


def test_a_full_disk_is_told_from_weather() -> None:
    full = engine_problem("create container x", 500, "mkdir /var/lib/docker/overlay2/x: no space left on device")
    weather = engine_problem("create container x", 500, "context deadline exceeded")

    assert isinstance(full, PreconditionFailed)
    assert isinstance(weather, Unavailable)
