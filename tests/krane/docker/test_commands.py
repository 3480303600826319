"""What runs in a container: what the deployment says, else the source, else the image; always behind its ENTRYPOINT."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from services.domain.errors import PreconditionFailed
from services.krane.types import BuildStatus, TaskStatus
from tests.krane.commands import ended, task
from tests.krane.docker.support import call, container, containers
from tests.krane.docker_image import PYTHON, derive_image
from tests.krane.installation import Krane
from tests.krane.support import LISTING, NAMESPACE, ask, build, healthy, pack, spec, with_run

MUTE = "interlock-test-command-mute:1"
ENTERED = "interlock-test-command-entered:1"
# Says that it was passed, and becomes what it is given.
ENTRYPOINT = [
    str(PYTHON),
    "-S",
    "-c",
    "import os, sys; print('entered', flush=True); os.execv(sys.argv[1], sys.argv[1:])",
]


@pytest.fixture(scope="module")
async def images(krane: Krane) -> AsyncGenerator[None]:
    """The test app's image, once without a word on what to run, and once with an ENTRYPOINT and a CMD."""
    socket = krane.kind.settings.docker_socket
    await asyncio.to_thread(derive_image, socket, MUTE, krane.image, ["CMD []"])
    lines = [f"ENTRYPOINT {json.dumps(ENTRYPOINT)}", 'CMD ["/absent"]']
    await asyncio.to_thread(derive_image, socket, ENTERED, krane.image, lines)
    yield
    for image in (MUTE, ENTERED):
        await call(krane.kind, "DELETE", f"/images/{image}", force="true")


@pytest.mark.usefixtures("images")
async def test_an_image_that_does_not_say_what_to_run_needs_a_command_and_runs_it(krane: Krane) -> None:
    silent = spec("mute-1", MUTE, path="/")
    with pytest.raises(PreconditionFailed, match="give it a CMD or an ENTRYPOINT, or its deployment a command"):
        await krane.client.create(silent)
    assert await containers(krane.kind, "mute-1-0") == []

    await krane.client.create(with_run(silent, command=LISTING))

    assert "Directory listing" in (await ask(await healthy(krane.client, "mute-1"), "/")).text
    await krane.client.delete(NAMESPACE, "mute-1")


@pytest.mark.usefixtures("images")
async def test_a_release_command_runs_in_an_image_that_does_not_say_what_to_run(krane: Krane) -> None:
    await krane.client.start_task(task("mute-2", MUTE, "print('migrated')"))

    state = await ended(krane.client, "mute-2")

    assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("migrated",)), state
    await krane.client.delete_task(NAMESPACE, "mute-2")


@pytest.mark.usefixtures("images")
async def test_a_command_takes_the_place_of_cmd_and_is_given_to_the_entrypoint(krane: Krane) -> None:
    await krane.client.create(with_run(spec("entered-1", ENTERED, path="/"), command=LISTING))
    await krane.client.start_task(task("entered-2", ENTERED, "print('migrated')"))

    state = await ended(krane.client, "entered-2")
    listing = await ask(await healthy(krane.client, "entered-1"), "/")

    assert "Directory listing" in listing.text
    assert (await krane.client.logs(NAMESPACE, "entered-1", tail_lines=1000))[0].text == "entered"
    assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("entered", "migrated")), state
    await krane.client.delete(NAMESPACE, "entered-1")
    await krane.client.delete_task(NAMESPACE, "entered-2")


async def test_interlock_toml_wins_over_a_dockerfile_and_a_dockerfile_over_a_procfile(krane: Krane) -> None:
    base = krane.kind.settings.python_base_image
    files = {"Dockerfile": f'FROM {base}\nCMD ["/of-dockerfile"]\n', "Procfile": "web: /of-procfile"}
    toml = '[start]\ncommand = ["/of-toml", "$PORT"]\n'
    for name, source in (("ranked-1", files), ("ranked-2", files | {"interlock.toml": toml})):
        built = await build(krane.client, name, pack(source))
        assert built.status is BuildStatus.SUCCEEDED, built
        await krane.client.create(spec(name, built.image))

    made = [(await container(krane.kind, f"ranked-{number}-0"))["Config"]["Cmd"] for number in (1, 2)]

    assert made == [["/of-dockerfile"], ["/of-toml", "8080"]]
    for name in ("ranked-1", "ranked-2"):
        await krane.client.delete(NAMESPACE, name)
