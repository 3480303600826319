"""One instance and what krane says of it: health, failures, restarts, limits, logs, its whole process tree."""

import asyncio
import os
import signal

import pytest

from services.domain.readiness import InstanceStatus
from services.krane.types import WorkloadStatus
from tests.krane.contract.conftest import Needs
from tests.krane.docker_image import PYTHON
from tests.krane.installation import Krane
from tests.krane.support import (
    NAMESPACE,
    ask,
    build,
    healthy,
    instance_when,
    pack,
    spec,
    state_of,
    tell,
    until,
    with_run,
)

# Closes each connection first, so that its port is not free at once when it has ended.
STRICT = """
import os, socket
from http.server import BaseHTTPRequestHandler, HTTPServer

class App(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit":
            os._exit(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served")

HTTPServer.allow_reuse_address = False
HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), App).serve_forever()
"""

# Serves for a second and exits; started again, it never listens.
RELAPSING = (
    str(PYTHON),
    "-c",
    "import os, time, threading; from pathlib import Path; from http.server import *; mark = Path('relapsed')\n"
    "if mark.exists(): time.sleep(60)\n"
    "mark.touch(); threading.Timer(1, os._exit, [7]).start()\n"
    "HTTPServer((os.environ.get('HOST', ''), int(os.environ['PORT'])), SimpleHTTPRequestHandler).serve_forever()",
)


async def test_instance_that_exits_at_once_failed_and_is_not_started_again(krane: Krane) -> None:
    await krane.create("exits-1")

    instance = await instance_when(krane.client, "exits-1", lambda i: i.status is InstanceStatus.FAILED)

    assert instance.reason == "it exited with code 1 before it was ever healthy"
    assert (instance.exit_code, instance.restarts, instance.healthy) == (1, 0, False)
    assert (await state_of(krane.client, "exits-1")).status is WorkloadStatus.PENDING
    assert [line.text for line in await krane.client.logs(NAMESPACE, "exits-1")] == ["no configuration"]
    assert krane.processes("exits-1") == set()
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
        ("moved", "GET /healthz answered 302: a health check must answer 2xx, not redirect"),
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
    assert first.address == second.address == third.address
    await krane.client.delete(NAMESPACE, "crash-1")


async def test_what_an_instance_writes_into_its_folder_stays_its_own_and_outlives_a_restart(krane: Krane) -> None:
    await krane.create("writes-1")
    await krane.create("writes-2")
    first, second = await healthy(krane.client, "writes-1"), await healthy(krane.client, "writes-2")

    for path in ("db.sqlite3", "app.py"):
        await ask(first, f"/append?file={path}")
    await tell(first, "/exit?code=3")
    first = await instance_when(krane.client, "writes-1", lambda i: i.healthy and i.restarts == 1)

    again, elsewhere, source = [
        (await ask(instance, f"/append?file={path}")).content
        for instance, path in ((first, "db.sqlite3"), (second, "db.sqlite3"), (second, "app.py"))
    ]
    assert (again, elsewhere) == (b"xx", b"x")
    assert not source.endswith(b"xx")
    await krane.client.delete(NAMESPACE, "writes-1")
    await krane.client.delete(NAMESPACE, "writes-2")
    await krane.create("writes-3")
    assert (await ask(await healthy(krane.client, "writes-3"), "/append?file=db.sqlite3")).content == b"x"
    await krane.client.delete(NAMESPACE, "writes-3")


async def test_instance_over_its_memory_is_killed_and_says_so(krane: Krane) -> None:
    await krane.create("greedy-1", memory_mib=100)
    await tell(await healthy(krane.client, "greedy-1"), "/leak")

    instance = await instance_when(krane.client, "greedy-1", lambda i: "out of memory" in i.reason or i.restarts == 1)

    assert instance.exit_code == -signal.SIGKILL
    await krane.client.delete(NAMESPACE, "greedy-1")


@pytest.mark.needs(Needs.RESTARTS)
async def test_want_of_memory_is_told_after_the_instance_is_healthy_again(krane: Krane) -> None:
    await krane.create("greedy-2")
    await tell(await healthy(krane.client, "greedy-2"), "/leak")

    instance = await instance_when(krane.client, "greedy-2", lambda i: i.healthy and i.restarts == 1)

    assert instance.last_end.startswith("out of memory: ")
    assert instance.last_end_ms > 0
    await krane.client.delete(NAMESPACE, "greedy-2")


@pytest.mark.needs(Needs.RESTARTS)
async def test_the_problem_of_a_probe_does_not_hide_how_the_run_before_ended(krane: Krane) -> None:
    await krane.client.create(with_run(spec("relapse-1", krane.image, path="/"), command=RELAPSING))

    instance = await instance_when(
        krane.client, "relapse-1", lambda i: i.restarts == 1 and i.reason.startswith("nothing listens on port")
    )

    assert instance.reason.endswith("; the run before ended: it exited with code 7")
    assert (instance.exit_code, instance.last_end) == (7, "it exited with code 7")
    assert instance.unhealthy_since_ms >= instance.last_end_ms
    await krane.client.delete(NAMESPACE, "relapse-1")


@pytest.mark.needs(Needs.RESTARTS)
@pytest.mark.parametrize("path", ["", "/healthz"])
async def test_frozen_instance_is_unhealthy_and_has_no_address_until_it_goes_on(krane: Krane, path: str) -> None:
    name = f"frozen-{len(path)}"
    await krane.client.create(spec(name, krane.image, path=path))
    before = await healthy(krane.client, name)

    for pid in krane.processes(name):
        os.kill(pid, signal.SIGSTOP)
    frozen = await instance_when(krane.client, name, lambda i: not i.healthy)
    for pid in krane.processes(name):
        os.kill(pid, signal.SIGCONT)
    after = await healthy(krane.client, name)

    assert (frozen.status, frozen.address) == (InstanceStatus.RUNNING, "")
    assert frozen.reason.startswith("it is frozen: ")
    assert (after.address, after.restarts) == (before.address, 0)
    await krane.client.delete(NAMESPACE, name)


async def test_delete_ends_descendants_that_left_session_and_parent(krane: Krane) -> None:
    await krane.create("family-1")
    await ask(await healthy(krane.client, "family-1"), "/descend")
    assert len(krane.processes("family-1")) == 3

    await krane.client.delete(NAMESPACE, "family-1")

    assert krane.processes("family-1") == set()


async def test_a_stop_asks_the_main_process_first_and_lets_its_worker_finish(krane: Krane) -> None:
    await krane.create("prefork-1")
    instance = await healthy(krane.client, "prefork-1")

    async with asyncio.TaskGroup() as group:
        answer = group.create_task(ask(instance, "/slow"))
        await until(lambda: _has_logged(krane, "prefork-1", "slow request began"))
        group.create_task(krane.client.stop(NAMESPACE, "prefork-1"))

    assert answer.result().content == b"done"
    assert await _has_logged(krane, "prefork-1", "parent: asked to end")
    assert krane.processes("prefork-1") == set()
    await krane.client.delete(NAMESPACE, "prefork-1")


async def _has_logged(krane: Krane, deployment_id: str, text: str) -> bool:
    return text in [line.text for line in await krane.client.logs(NAMESPACE, deployment_id)]


@pytest.mark.needs(Needs.BUILDS)
async def test_a_program_that_binds_its_port_without_an_option_serves_and_is_started_again(krane: Krane) -> None:
    built = await build(krane.client, "strict", pack({"Procfile": "web: python app.py", "app.py": STRICT}))
    await krane.client.create(spec("strict-1", built.image))
    instance = await healthy(krane.client, "strict-1")

    # Its connections keep the port from a program that sets no option for a minute.
    await tell(instance, "/exit")

    again = await instance_when(krane.client, "strict-1", lambda i: i.healthy and i.restarts > 0)
    assert (await ask(again, "/")).text == "served"
    await krane.client.delete(NAMESPACE, "strict-1")
