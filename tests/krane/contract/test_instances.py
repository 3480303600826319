"""One instance and what krane says of it: health, failures, restarts, limits, logs, its whole process tree."""

import os
import signal

import pytest

from services.domain.readiness import InstanceStatus
from services.krane.types import DeploymentStatus
from tests.krane.conftest import Krane
from tests.krane.support import (
    NAMESPACE,
    ask,
    healthy,
    instance_when,
    processes_of,
    shims_of,
    state_of,
    tell,
    until,
)


async def test_instance_that_exits_at_once_failed_and_is_not_started_again(krane: Krane) -> None:
    await krane.create("exits-1")

    instance = await instance_when(krane.client, "exits-1", lambda i: i.status is InstanceStatus.FAILED)

    assert instance.reason == "it exited with code 1 before it was ever healthy"
    assert (instance.exit_code, instance.restarts, instance.healthy) == (1, 0, False)
    assert (await state_of(krane.client, "exits-1")).status is DeploymentStatus.PENDING
    assert [line.text for line in await krane.client.logs(NAMESPACE, "exits-1")] == ["no configuration"]
    assert processes_of(krane.data_dir, "exits-1") == set()
    await krane.client.delete(NAMESPACE, "exits-1")


async def test_failed_instance_is_tried_anew_by_start(krane: Krane) -> None:
    await krane.create("exits-2")
    await instance_when(krane.client, "exits-2", lambda i: i.status is InstanceStatus.FAILED)

    await krane.client.start(NAMESPACE, "exits-2")

    async def ran_twice() -> bool:
        return len(await krane.client.logs(NAMESPACE, "exits-2")) == 2

    await until(ran_twice)
    await krane.client.delete(NAMESPACE, "exits-2")


async def test_an_instance_that_is_asked_now_says_what_is_true_now(krane: Krane) -> None:
    await krane.create("asked-1")
    instance = await healthy(krane.client, "asked-1")

    await ask(instance, "/feel?status=500")
    state = await krane.client.get(NAMESPACE, "asked-1", probe_now=True)

    assert state is not None
    assert [(i.healthy, i.reason) for i in state.instances] == [(False, "GET /healthz answered 500")]
    await krane.client.delete(NAMESPACE, "asked-1")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("silent", "nothing listens on port {port}"),
        ("sick", "GET /healthz answered 500"),
        ("moved", "GET /healthz answered 302: a health check is answered 2xx, not by a redirect"),
    ],
)
async def test_running_instance_says_why_it_is_not_healthy(krane: Krane, behaviour: str, reason: str) -> None:
    await krane.create(f"{behaviour}-1")

    def explains(instance_reason: str, address: str) -> bool:
        return instance_reason == reason.format(port=address.rpartition(":")[2])

    instance = await instance_when(krane.client, f"{behaviour}-1", lambda i: explains(i.reason, i.address))

    assert instance.status is InstanceStatus.RUNNING
    assert not instance.healthy
    await krane.client.delete(NAMESPACE, f"{behaviour}-1")


async def test_healthy_instance_that_answers_500_is_unhealthy_until_it_recovers(krane: Krane) -> None:
    await krane.create("moody-1")
    instance = await healthy(krane.client, "moody-1")

    await ask(instance, "/feel?status=500")
    unhealthy = await instance_when(krane.client, "moody-1", lambda i: not i.healthy)
    await ask(instance, "/feel?status=204")
    recovered = await healthy(krane.client, "moody-1")

    assert (unhealthy.status, unhealthy.reason) == (InstanceStatus.RUNNING, "GET /healthz answered 500")
    assert (recovered.restarts, recovered.reason, recovered.address) == (0, "", instance.address)
    await krane.client.delete(NAMESPACE, "moody-1")


async def test_instance_that_crashes_after_it_was_healthy_is_started_again(krane: Krane) -> None:
    await krane.create("crash-1")
    first = await healthy(krane.client, "crash-1")

    await tell(first, "/exit?code=7")
    second = await instance_when(krane.client, "crash-1", lambda i: i.healthy and i.restarts == 1)
    await tell(second, "/exit?code=7")
    third = await instance_when(krane.client, "crash-1", lambda i: i.healthy and i.restarts == 2)

    assert (first.exit_code, second.exit_code, third.exit_code) == (None, 7, 7)
    await krane.client.delete(NAMESPACE, "crash-1")


async def test_instance_over_its_memory_is_killed_and_says_so(krane: Krane) -> None:
    await krane.create("greedy-1", memory_mib=100)
    await tell(await healthy(krane.client, "greedy-1"), "/leak")

    instance = await instance_when(krane.client, "greedy-1", lambda i: "out of memory" in i.reason or i.restarts == 1)

    assert instance.exit_code == -signal.SIGKILL
    await krane.client.delete(NAMESPACE, "greedy-1")


async def test_delete_ends_descendants_that_left_session_and_parent(krane: Krane) -> None:
    await krane.create("family-1")
    await ask(await healthy(krane.client, "family-1"), "/descend")
    assert len(processes_of(krane.data_dir, "family-1")) == 3

    await krane.client.delete(NAMESPACE, "family-1")

    assert processes_of(krane.data_dir, "family-1") == set()


async def test_descendants_of_an_instance_whose_shim_was_killed_are_swept_up(krane: Krane) -> None:
    await krane.create("shimless-1")
    await ask(await healthy(krane.client, "shimless-1"), "/descend")
    before = processes_of(krane.data_dir, "shimless-1")
    (shim,) = shims_of(krane.data_dir / "krane" / "deployments" / "shimless-1")

    os.kill(shim, signal.SIGKILL)
    await instance_when(krane.client, "shimless-1", lambda i: i.healthy and i.restarts == 1)

    after = processes_of(krane.data_dir, "shimless-1")
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
