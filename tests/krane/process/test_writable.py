"""What only the process backend promises of what an instance writes: the image stays as it was built."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.process import writable
from services.krane.backends.process.artifacts import Artifact
from services.krane.backends.process.writable import WritableImage
from services.krane.backends.supervision.supervised import CommandSpec
from tests.krane.installation import Krane, ProcessKind, krane_process
from tests.krane.support import NAMESPACE, ask, healthy, instance_when, spec, tell, with_run

# A root that may do nothing that other users may not.
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change an image")
async def test_the_image_stays_as_it_was_built_and_no_mount_is_left(krane: Krane) -> None:
    image = krane.data_dir / "krane" / "artifacts" / krane.image.rpartition(":")[2]
    built, mounts = _contents(image), _mounts()
    await krane.create("frozen-1")
    instance = await healthy(krane.client, "frozen-1")

    for path in ("app/app.py", "app/new.txt", "venv/pyvenv.cfg"):
        assert (await ask(instance, f"/append?file={image / path}")).content.endswith(b"x")

    assert _contents(image) == built
    assert _mounts() == mounts
    await krane.client.delete(NAMESPACE, "frozen-1")
    assert not (krane.data_dir / "krane" / "deployments" / "frozen-1").exists()


async def test_an_instance_has_a_copy_of_the_app_where_nothing_can_be_mounted(
    process_kind: ProcessKind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(process_kind, tmp_path, unused_tcp_port, UNPRIVILEGED) as (_, client):
        image = await process_kind.image(client)
        await client.create(spec("copied-1", image))
        await client.create(spec("copied-2", image))
        first, second = await healthy(client, "copied-1"), await healthy(client, "copied-2")

        await ask(first, "/append?file=app.py")
        await tell(first, "/exit?code=3")
        again = await instance_when(client, "copied-1", lambda i: i.healthy and i.restarts == 1)

        sources = [(await ask(instance, "/append?file=app.py")).content for instance in (again, second)]
        folder = (await ask(second, "/context")).json()["folder"]
        assert [source[-3:] for source in sources] == [b"\nxx", b")\nx"]
        assert folder == f"{tmp_path}/krane/deployments/copied-2/instances/0/app"
        await client.delete(NAMESPACE, "copied-1")
        await client.delete(NAMESPACE, "copied-2")
        assert list((tmp_path / "krane" / "deployments").iterdir()) == []


async def test_where_nothing_can_be_mounted_a_volume_is_in_the_app_or_in_its_variable(
    process_kind: ProcessKind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(process_kind, tmp_path, unused_tcp_port, UNPRIVILEGED) as (_, client):
        image = await process_kind.image(client)
        volumes = ("data=/data", "store=/app/deep/store")
        wanted = replace(with_run(spec("linked-1", image), volumes=volumes), volume_scope="production")
        await client.create(wanted)
        instance = await healthy(client, "linked-1")

        await ask(instance, "/append?file=deep/store/db")
        variables = (await ask(instance, "/context")).json()["environment"]
        (note, _) = [line.text for line in await client.logs(NAMESPACE, "linked-1")]

        kept = tmp_path / "krane" / "volumes" / NAMESPACE / "production"
        assert (kept / "store" / "db").read_bytes() == b"x"
        assert variables["INTERLOCK_VOLUME_DATA"] == f"{kept}/data"
        assert note == "volume data is in $INTERLOCK_VOLUME_DATA, not in /data: krane may mount nothing here"
        await client.delete(NAMESPACE, "linked-1")
        assert (kept / "store" / "db").exists()


async def test_an_app_that_is_too_large_to_copy_is_read_only_and_its_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Artifact(digest="0" * 64, folder=tmp_path / "image")
    image.app.mkdir(parents=True)
    (image.app / "model.bin").write_bytes(b"large")
    image.publish(AppConfig(command=("true",)))
    monkeypatch.setattr(writable, "MAX_COPY_BYTES", 1)
    command = CommandSpec(
        arguments=("true",), environment={}, working_directory=image.app, log=tmp_path / "log", stop_grace_seconds=1
    )

    writable_image = WritableImage(
        image=image, folder=tmp_path / "own", can_mount=False, volumes=(), store=tmp_path / "volumes"
    )
    seen = await writable_image.seen_by(command)

    assert seen.working_directory == image.app
    assert seen.note.startswith("the app's folder is read-only: it is larger than")
    assert not (tmp_path / "own").exists()


def _mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
