"""Commands that are run once: how they end, and that they never begin a second time."""

import asyncio
import signal
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.domain.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.krane.backends.opening import stop_all
from services.krane.types import LogQuery, TaskState, TaskStatus
from tests.krane.commands import PATIENT, begun, ended, go_on, processes, state_of, task
from tests.krane.contract.conftest import Needs
from tests.krane.docker_image import PYTHON
from tests.krane.installation import Kind, Krane, krane_process
from tests.krane.support import NAMESPACE, build, pack

SECRET = "only-for-the-migration-0815"
# What a task may take from being asked to end until nothing of it is left, whoever ignores whatever.
CLEAN_SECONDS = 5.0
# Two processes, in two sessions; each writes its line at once.
STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork() == 0 and os.setsid(); "
    "os.write(1, b'began\\n'); time.sleep(3600)"
)


async def test_a_task_that_ends_with_0_succeeded_and_its_lines_are_in_the_deployments_log(krane: Krane) -> None:
    code = "import os; print(os.environ['TOKEN'][:4], os.environ['INTERLOCK_DEPLOYMENT_ID'], os.environ.get('PORT'))"
    await krane.client.start_task(task("migrate-1", krane.image, code), {"TOKEN": SECRET})

    state = await ended(krane.client, "migrate-1")

    lines = ("only migrate-1 None",)
    assert state == TaskState(status=TaskStatus.SUCCEEDED, exit_code=0, log_lines=lines)
    query = LogQuery(namespace=NAMESPACE, deployment_id="migrate-1", follow=True)
    followed = [(line.instance_id, line.text) async for line in krane.client.follow_logs(query)]
    assert followed == [("migrate-1-release", lines[0])]
    assert [line.text for line in await krane.client.logs(NAMESPACE, "migrate-1")] == [*lines]
    await krane.client.delete_task(NAMESPACE, "migrate-1")


async def test_what_a_task_writes_into_its_folder_is_seen_by_no_other(krane: Krane) -> None:
    code = "import os; print(os.path.exists('seed.db')); open('seed.db', 'a').write('x')"
    for task_id in ("migrate-writes-1", "migrate-writes-2"):
        await krane.client.start_task(task(task_id, krane.image, code))

        state = await ended(krane.client, task_id)

        assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("False",))
        await krane.client.delete_task(NAMESPACE, task_id)


async def test_a_task_has_its_log_under_its_name(krane: Krane) -> None:
    seed = task("migrate-named", krane.image, "print('seeded')", name="seed")
    await krane.client.start_task(seed)

    state = await ended(krane.client, "migrate-named")
    await krane.client.start_task(seed)
    with pytest.raises(Conflict):
        await krane.client.start_task(replace(seed, name="release"))
    with pytest.raises(Invalid, match="name '0' is not usable for a task"):
        await krane.client.start_task(replace(seed, task_id="migrate-bad", name="0"))

    assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("seeded",))
    query = LogQuery(namespace=NAMESPACE, deployment_id="migrate-named", follow=True)
    followed = [(line.instance_id, line.text) async for line in krane.client.follow_logs(query)]
    assert followed == [("migrate-named-seed", "seeded")]
    named = await krane.client.logs(NAMESPACE, "migrate-named", instance_id="migrate-named-seed")
    assert [line.text for line in named] == ["seeded"]
    await krane.client.delete_task(NAMESPACE, "migrate-named")


async def test_a_task_that_ends_otherwise_failed_with_its_exit_code_and_its_last_lines(krane: Krane) -> None:
    await krane.client.start_task(task("migrate-2", krane.image, "print('no such table'); raise SystemExit(3)"))

    state = await ended(krane.client, "migrate-2")

    assert (state.status, state.exit_code, state.reason) == (TaskStatus.FAILED, 3, "it exited with code 3")
    assert state.log_lines == ("no such table",)
    await krane.client.delete_task(NAMESPACE, "migrate-2")


async def test_a_program_that_is_not_in_the_image_failed_and_the_log_names_it(krane: Krane) -> None:
    await krane.client.start_task(task("migrate-3", krane.image, "", command=("no-such-program", "up")))

    state = await ended(krane.client, "migrate-3")

    assert (state.status, state.exit_code) == (TaskStatus.FAILED, 127)
    assert "no-such-program" in "".join(state.log_lines)
    await krane.client.delete_task(NAMESPACE, "migrate-3")


async def test_the_same_task_again_is_the_same_run_and_another_one_is_a_conflict(krane: Krane) -> None:
    wanted = task("once-1", krane.image, "print('ran')")

    await asyncio.gather(*(krane.client.start_task(wanted, {"A": "1"}) for _ in range(4)))
    assert (await ended(krane.client, "once-1")).log_lines == ("ran",)
    await krane.client.start_task(wanted, {"A": "1"})

    assert await state_of(krane.client, "once-1") == TaskState(
        status=TaskStatus.SUCCEEDED, exit_code=0, log_lines=("ran",)
    )
    with pytest.raises(Conflict) as refused:
        await krane.client.start_task(wanted, {"A": SECRET})
    assert SECRET not in refused.value.message
    await krane.client.delete_task(NAMESPACE, "once-1")


async def test_cancel_ends_the_whole_process_tree_of_one_that_ignores_it(krane: Krane) -> None:
    await krane.client.start_task(task("stubborn-1", krane.image, STUBBORN))
    assert len(await begun(krane.client, "stubborn-1")) == 2

    began_at = time.monotonic()
    await krane.client.cancel_task(NAMESPACE, "stubborn-1")

    assert time.monotonic() - began_at < CLEAN_SECONDS
    assert processes("stubborn-1") == set()
    state = await state_of(krane.client, "stubborn-1")
    assert (state.status, state.reason) == (TaskStatus.CANCELLED, "it was stopped")
    await krane.client.cancel_task(NAMESPACE, "stubborn-1")
    await krane.client.delete_task(NAMESPACE, "stubborn-1")


async def test_delete_ends_and_forgets_a_task_and_keeps_its_log(krane: Krane) -> None:
    await krane.client.start_task(task("gone-1", krane.image, PATIENT))
    await begun(krane.client, "gone-1")

    await krane.client.delete_task("another", "gone-1")
    assert len(processes("gone-1")) == 1
    await krane.client.delete_task(NAMESPACE, "gone-1")

    assert processes("gone-1") == set()
    assert await krane.client.get_task(NAMESPACE, "gone-1") is None
    assert "gone-1" not in {name.task_id for name in await krane.client.list_tasks()}
    assert not (krane.data_dir / "krane" / "tasks" / "gone-1").exists()
    assert [line.text for line in await krane.client.logs(NAMESPACE, "gone-1")] == ["began"]
    await krane.client.delete_task(NAMESPACE, "gone-1")
    await krane.client.cancel_task(NAMESPACE, "gone-1")


async def test_a_task_that_takes_too_long_is_stopped_and_failed(krane: Krane) -> None:
    await krane.client.start_task(task("slow-1", krane.image, PATIENT, timeout_seconds=0.5))

    state = await ended(krane.client, "slow-1")

    assert (state.status, state.reason) == (TaskStatus.FAILED, "it took longer than 0.5 s and was stopped")
    assert processes("slow-1") == set()
    await krane.client.delete_task(NAMESPACE, "slow-1")


async def test_a_task_that_takes_too_much_memory_is_killed_and_failed(krane: Krane) -> None:
    code = "import time; ballast = [b'x' * (8 << 20) for _ in range(60)]; time.sleep(60)"
    await krane.client.start_task(task("big-1", krane.image, code, memory_mib=48))

    state = await ended(krane.client, "big-1")

    assert state.status is TaskStatus.FAILED
    assert state.reason.startswith("out of memory: it ")
    await krane.client.delete_task(NAMESPACE, "big-1")


@pytest.mark.needs(Needs.FILES)
async def test_values_are_in_files_of_their_owner_alone_and_gone_when_it_has_ended(
    krane: Krane, capfd: pytest.CaptureFixture[str]
) -> None:
    def holders() -> list[Path]:
        files = [f for f in krane.data_dir.rglob("*") if f.is_file()]
        return [f for f in files if SECRET in f.read_text(errors="replace")]

    await krane.client.start_task(task("secret-1", krane.image, PATIENT), {"TOKEN": SECRET})
    pids = await begun(krane.client, "secret-1")

    assert {f.stat().st_mode & 0o777 for f in holders()} <= {0o600}
    assert (krane.data_dir / "krane" / "tasks").stat().st_mode & 0o777 == 0o700
    go_on(pids)
    assert (await ended(krane.client, "secret-1")).log_lines == ("began", "went on")
    assert holders() == []
    assert SECRET not in str(capfd.readouterr())
    await krane.client.delete_task(NAMESPACE, "secret-1")


@pytest.mark.needs(Needs.BUILDS)
async def test_the_image_of_a_running_task_stays_and_that_of_an_ended_one_may_go(krane: Krane) -> None:
    archive = pack({"Procfile": "web: python3 -m http.server $PORT", "marker": "of a task"})
    image = (await build(krane.client, "task-image", archive)).image
    # Each backend's own: the image of a source has its Python elsewhere than that of the tests.
    code = "import time; print('began', flush=True); time.sleep(3600)"
    await krane.client.start_task(task("pruned-1", image, "", command=("python3", "-S", "-c", code)))
    await begun(krane.client, "pruned-1")

    assert image not in await krane.client.prune_images([krane.image], timedelta(0))

    await krane.client.cancel_task(NAMESPACE, "pruned-1")
    assert image in await krane.client.prune_images([krane.image], timedelta(0))
    await krane.client.delete_task(NAMESPACE, "pruned-1")


async def test_a_task_that_cannot_be_meant_is_refused_and_leaves_nothing(krane: Krane) -> None:
    good = {"command": (str(PYTHON), "-c", "")}
    for fields in ({"command": ()}, {"command": ("a\0b",)}, good | {"memory_mib": 0}, good | {"timeout_seconds": 0.0}):
        with pytest.raises(Invalid):
            await krane.client.start_task(task("wrong-1", krane.image, "", **fields))
    with pytest.raises(Invalid):
        await krane.client.start_task(task("wrong-1", krane.image, ""), {"PORT": "1"})
    with pytest.raises(PreconditionFailed):
        await krane.client.start_task(task("wrong-1", krane.kind.absent_image, ""))

    assert await krane.client.get_task(NAMESPACE, "wrong-1") is None
    with pytest.raises(NotFound):
        await krane.client.logs(NAMESPACE, "wrong-1")


@pytest.mark.needs(Needs.RESTARTS)
async def test_a_killed_krane_takes_over_what_goes_on_and_finds_what_ended(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        image = await kind.image(client)
        wanted = {name: task(name, image, PATIENT) for name in ("adopted-1", "away-1", "lost-1", "ended-1")}
        await asyncio.gather(*(client.start_task(spec, {"TOKEN": SECRET}) for spec in wanted.values()))
        pids = {name: await begun(client, name) for name in wanted}
        go_on(pids.pop("ended-1"))
        await ended(client, "ended-1")

        await process.end(signal.SIGKILL)
        go_on(pids["away-1"])
        await process.start()

        assert (await state_of(client, "adopted-1")).status is TaskStatus.RUNNING
        assert processes("adopted-1") == pids["adopted-1"]
        for spec in wanted.values():
            await client.start_task(spec, {"TOKEN": SECRET})
        go_on(pids["adopted-1"])
        done = TaskState(status=TaskStatus.SUCCEEDED, exit_code=0, log_lines=("began", "went on"))
        assert [await ended(client, name) for name in ("adopted-1", "away-1", "ended-1")] == [done, done, done]

        await process.end(signal.SIGKILL)
        await kind.lose_task(tmp_path, "lost-1")
        await process.start()

        await client.start_task(wanted["lost-1"], {"TOKEN": SECRET})
        lost = await ended(client, "lost-1")
        assert (lost.status, lost.exit_code) == (TaskStatus.FAILED, None)
        assert lost.reason.startswith("it was interrupted: ")
        assert lost.reason.endswith("look at what it did, then deploy again")
        assert "went on" not in lost.log_lines
        assert processes("lost-1") == set()
        assert len(await client.list_tasks()) == len(wanted)


@pytest.mark.needs(Needs.RESTARTS)
async def test_stop_all_ends_a_task_and_the_next_krane_says_so(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        wanted = task("stopped-1", await kind.image(client), PATIENT)
        await client.start_task(wanted)
        await begun(client, "stopped-1")

        assert await process.end(signal.SIGTERM) == 0
        assert len(processes("stopped-1")) == 1
        await stop_all(tmp_path, kind.settings)
        assert processes("stopped-1") == set()
        await process.start()

        await client.start_task(wanted)
        assert (await ended(client, "stopped-1")).status is TaskStatus.CANCELLED
