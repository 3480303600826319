"""What only the process backend promises of an instance: its shim, its environment and folder, the files of its log."""

import os
import signal

import pytest

from tests.krane.docker_image import PYTHON
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, ask, healthy, instance_when, shims_of, spec, until, with_run

ON_IPV6 = (
    str(PYTHON),
    "-c",
    "import os, socket, time; s = socket.socket(socket.AF_INET6); "
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('::1', int(os.environ['PORT']))); "
    "s.listen(); time.sleep(60)",
)


async def test_descendants_of_an_instance_whose_shim_was_killed_are_swept_up(krane: Krane) -> None:
    await krane.create("shimless-1")
    await ask(await healthy(krane.client, "shimless-1"), "/descend")
    before = krane.processes("shimless-1")
    (shim,) = shims_of(krane.data_dir / "krane" / "deployments" / "shimless-1")

    os.kill(shim, signal.SIGKILL)
    await instance_when(krane.client, "shimless-1", lambda i: i.healthy and i.restarts == 1)

    after = krane.processes("shimless-1")
    assert len(before) == 3
    assert len(after) == 1
    assert not before & after
    await krane.client.delete(NAMESPACE, "shimless-1")


async def test_instance_gets_a_clean_environment_and_the_image_as_its_folder(
    krane: Krane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", "postgresql://user:secret@localhost/truth")
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@localhost/simple")

    await krane.create("context-1")
    instance = await healthy(krane.client, "context-1")
    context = (await ask(instance, "/context")).json()

    environment = context["environment"]
    private = krane.data_dir / "krane" / "deployments" / "context-1" / "instances" / "0"
    image = krane.data_dir / "krane" / "artifacts" / krane.image.rpartition(":")[2]
    assert set(environment) == {
        *("HOME", "HOST", "LANG", "PATH", "PORT", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "TMPDIR"),
        *("INTERLOCK_DEPLOYMENT_ID", "INTERLOCK_INSTANCE_ID", "INTERLOCK_RUN_ID", "VIRTUAL_ENV"),
    }
    assert environment["PORT"] == instance.address.rpartition(":")[2]
    assert (environment["HOST"], environment["INTERLOCK_INSTANCE_ID"]) == ("127.0.0.1", "context-1-0")
    assert environment["PATH"] == f"{image}/venv/bin:/usr/local/bin:/usr/bin:/bin"
    assert (environment["HOME"], environment["TMPDIR"]) == (f"{private}/home", f"{private}/tmp")
    assert context["folder"] == f"{image}/app"
    await krane.client.delete(NAMESPACE, "context-1")


async def test_log_is_rotated_and_the_newest_lines_are_handed_out(krane: Krane) -> None:
    await krane.create("chatty-1")
    instance = await healthy(krane.client, "chatty-1")
    await ask(instance, "/print?lines=20000")

    async def printed() -> bool:
        lines = await krane.client.logs(NAMESPACE, "chatty-1", tail_lines=2)
        return [line.text.split(".")[0] for line in lines] == ["line 19998 ", "line 19999 "]

    await until(printed)
    files = sorted((krane.data_dir / "krane" / "logs" / NAMESPACE / "chatty-1").iterdir())
    assert [file.name for file in files] == ["chatty-1-0.log", "chatty-1-0.log.1", "chatty-1-0.log.2"]
    assert all(file.stat().st_size <= 1024 * 1024 for file in files)
    many = await krane.client.logs(NAMESPACE, "chatty-1", instance_id="chatty-1-0", tail_lines=8000)
    assert [int(line.text.split()[1]) for line in many] == list(range(12000, 20000))
    await krane.client.delete(NAMESPACE, "chatty-1")


async def test_port_is_given_to_the_start_command(krane: Krane) -> None:
    await krane.create("port-1")
    instance = await healthy(krane.client, "port-1")

    (line,) = await krane.client.logs(NAMESPACE, "port-1")

    assert line.text == f"arguments --port={instance.address.rpartition(':')[2]}"
    await krane.client.delete(NAMESPACE, "port-1")


async def test_an_app_that_listens_on_ipv6_loopback_alone_is_told_so(krane: Krane) -> None:
    await krane.client.create(with_run(spec("six-1", krane.image), command=ON_IPV6))

    instance = await instance_when(krane.client, "six-1", lambda one: one.reason.startswith("it listens on"))

    port = instance.address.rpartition(":")[2]
    assert instance.reason == f"it listens on [::1]:{port}, not on 127.0.0.1:{port}: let it listen on 127.0.0.1"
    await krane.client.delete(NAMESPACE, "six-1")
