"""Volumes: folders that outlive deployments, shared by those of one scope."""

import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Invalid, PreconditionFailed
from services.krane.backends.shared.files import remove_tree
from services.krane.types import DeploymentSpec, TaskStatus
from tests.krane.commands import ended, task
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, ask, build, healthy, pack, spec, with_run

pytestmark = pytest.mark.needs(Needs.FILES)
# The process backend makes a mount point on this machine.
PARENT = Path(f"/tmp/interlock-test-{os.getpid()}")
DATA = f"{PARENT}/data"


@pytest.fixture(scope="module", autouse=True)
def _mount_points() -> Generator[None]:
    yield
    remove_tree(PARENT)


def _with_volumes(deployment_id: str, image: str, *volumes: str, scope: str = "production") -> DeploymentSpec:
    return replace(with_run(spec(deployment_id, image), volumes=volumes), volume_scope=scope)


@pytest.mark.parametrize(
    ("volume", "file"),
    [(f"data={DATA}", f"{DATA}/db"), ("store=/app/store", "store/db")],
    ids=["anywhere", "in the app"],
)
async def test_a_volume_is_shared_by_deployments_of_a_scope_and_outlives_them(
    krane: Krane, volume: str, file: str
) -> None:
    name = volume.partition("=")[0]
    for deployment_id in ("keeps-1", "keeps-2"):
        await krane.client.create(_with_volumes(deployment_id, krane.image, volume, scope=f"shared-{name}"))
    await krane.client.create(_with_volumes("keeps-3", krane.image, volume, scope=f"other-{name}"))
    first, second, other = [await healthy(krane.client, f"keeps-{number}") for number in (1, 2, 3)]

    contents = [(await ask(one, f"/append?file={file}")).content for one in (first, second, other)]
    variables = (await ask(first, "/context")).json()["environment"]
    told = (await ask(first, f"/append?file={variables[f'INTERLOCK_VOLUME_{name.upper()}']}/db")).content

    assert contents == [b"x", b"xx", b"x"]
    assert told == b"xxx"
    for deployment_id in ("keeps-1", "keeps-2", "keeps-3"):
        await krane.client.delete(NAMESPACE, deployment_id)
    await krane.client.create(_with_volumes("keeps-4", krane.image, volume, scope=f"shared-{name}"))
    assert (await ask(await healthy(krane.client, "keeps-4"), f"/append?file={file}")).content == b"xxxx"
    await krane.client.delete(NAMESPACE, "keeps-4")


async def test_a_task_sees_the_volumes_of_its_deployment(krane: Krane) -> None:
    code = f"open('{DATA}/migrated', 'a').write('x'); print(open('{DATA}/migrated').read())"
    for number in (1, 2):
        migration = task(f"migrate-kept-{number}", krane.image, code)
        run = replace(migration.run, volumes=(f"data={DATA}",))
        await krane.client.start_task(replace(migration, run=run, volume_scope="migrated"))

        state = await ended(krane.client, f"migrate-kept-{number}")

        assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("x" * number,))
        await krane.client.delete_task(NAMESPACE, f"migrate-kept-{number}")


async def test_a_new_volume_begins_with_what_the_image_has_there(krane: Krane) -> None:
    built = await build(krane.client, "seeded", pack({"Procfile": "web: python app.py", "app.py": "", "seed/one": "1"}))
    seeding = task("migrate-seed", built.image, "print(open('seed/one').read()); open('seed/two', 'w').write('2')")
    run = replace(seeding.run, volumes=("seed=/app/seed",))
    await krane.client.start_task(replace(seeding, run=run, volume_scope="seeded"))

    state = await ended(krane.client, "migrate-seed")

    assert (state.status, state.log_lines) == (TaskStatus.SUCCEEDED, ("1",))
    await krane.client.delete_task(NAMESPACE, "migrate-seed")


async def test_a_volume_without_a_scope_or_with_an_unusable_path_is_refused(krane: Krane) -> None:
    with pytest.raises(Invalid, match="volume_scope"):
        await krane.client.create(_with_volumes("refused-1", krane.image, "data=/data", scope=""))
    with pytest.raises(Invalid, match="would hide /etc of the system"):
        await krane.client.create(_with_volumes("refused-1", krane.image, "data=/etc"))


async def test_volumes_are_listed_and_one_that_nobody_runs_with_can_be_deleted(krane: Krane) -> None:
    wanted = _with_volumes("listed-1", krane.image, "one=/app/one", "two=/app/two", scope="listed")
    await krane.client.create(wanted)
    await healthy(krane.client, "listed-1")

    while_it_runs = await _volumes(krane, "listed")
    with pytest.raises(PreconditionFailed, match="volume one is used by listed-1"):
        await krane.client.delete_volume(NAMESPACE, "listed", "one")
    await krane.client.delete(NAMESPACE, "listed-1")
    kept = await _volumes(krane, "listed")
    await krane.client.delete_volume(NAMESPACE, "listed", "one")
    await krane.client.delete_volume(NAMESPACE, "listed", "one")
    await krane.client.delete_volume("another", "listed", "two")

    assert while_it_runs == {"one": ("listed-1",), "two": ("listed-1",)}
    assert kept == {"one": (), "two": ()}
    assert await _volumes(krane, "listed") == {"two": ()}
    with pytest.raises(Invalid, match="volume name"):
        await krane.client.delete_volume(NAMESPACE, "listed", "../two")


async def test_a_deleted_volume_begins_anew(krane: Krane) -> None:
    code = f"open('{DATA}/db', 'a').write('x'); print(open('{DATA}/db').read())"
    for task_id in ("migrate-anew-1", "migrate-anew-2"):
        writing = task(task_id, krane.image, code)
        run = replace(writing.run, volumes=(f"data={DATA}",))
        await krane.client.start_task(replace(writing, run=run, volume_scope="anew"))

        assert (await ended(krane.client, task_id)).log_lines == ("x",)

        await krane.client.delete_task(NAMESPACE, task_id)
        await krane.client.delete_volume(NAMESPACE, "anew", "data")


async def _volumes(krane: Krane, scope: str) -> dict[str, tuple[str, ...]]:
    return {one.name: one.used_by for one in await krane.client.list_volumes(NAMESPACE) if one.scope == scope}
