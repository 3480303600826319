"""Uploads and builds, over real gRPC with real installers."""

import base64
import hashlib
import io
import stat
import zipfile
from pathlib import Path

import pytest

from services.config import KraneSettings
from services.domain.errors import Conflict, Invalid, PreconditionFailed
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import BuildStatus
from tests.krane.installation import Krane
from tests.krane.support import (
    NAMESPACE,
    ask,
    build,
    build_ended,
    entry,
    healthy,
    in_chunks,
    pack,
    pack_entries,
    pack_folder,
    processes_with,
    shims_of,
    slow_source,
    spec,
    until,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
START = '[start]\ncommand = ["python", "app.py"]\n'


def wheel() -> bytes:
    """The smallest package with a console script."""
    files = {
        "greet.py": "def main():\n    import app\n",
        "greet-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        "greet-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "greet-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greet:main\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    files["greet-1.0.dist-info/RECORD"] = record + "greet-1.0.dist-info/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


async def test_example_is_built_and_runs(krane: Krane) -> None:
    built = await build(krane.client, "hello", pack_folder(EXAMPLES / "hello-python"))
    await krane.client.create(spec("hello-1", built.image))
    instance = await healthy(krane.client, "hello-1")

    assert (await ask(instance, "/")).json()["version"] == "1"
    assert (await ask(instance, "/openapi.json")).json()["openapi"] == "3.1.0"
    await krane.client.stop(NAMESPACE, "hello-1")
    (stopped,) = (await krane.client.list(NAMESPACE))[0].instances
    assert stopped.exit_code is None
    await krane.client.delete(NAMESPACE, "hello-1")


async def test_same_source_again_is_the_same_image_at_once(krane: Krane) -> None:
    archive = pack({"interlock.toml": START, "app.py": "cached"})

    first = await build(krane.client, "first", archive)
    second = await build(krane.client, "second", archive)

    assert (first.status, first.cached) == (BuildStatus.SUCCEEDED, False)
    assert (second.status, second.cached, second.image) == (BuildStatus.SUCCEEDED, True, first.image)


async def test_image_is_read_only_and_compiled(krane: Krane) -> None:
    built = await build(krane.client, "frozen", pack({"interlock.toml": START, "app.py": "", "lib/helper.py": "x = 1"}))

    image = krane.data_dir / "krane" / "artifacts" / built.image.rpartition(":")[2]
    paths = [image / "app", *(image / "app").rglob("*"), *(image / "venv" / "lib").rglob("*")]
    assert [p for p in paths if not p.is_symlink() and p.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP)] == []
    assert list(image.glob("app/lib/__pycache__/helper.*.pyc"))


async def test_requirements_are_installed_into_the_image_and_its_scripts_start_the_app(krane: Krane) -> None:
    source = {
        "greet-1.0-py3-none-any.whl": wheel(),
        "requirements.txt": "./greet-1.0-py3-none-any.whl\n",
        "Procfile": "release: nothing\nweb: env PYTHONPATH=. greet ${PORT}\n",
        "app.py": (EXAMPLES / "hello-python" / "app.py").read_text().replace('if __name__ == "__main__":', "if True:"),
        "VERSION": "from a script",
    }

    built = await build(krane.client, "requirements", pack(source))
    assert built.status is BuildStatus.SUCCEEDED, built
    await krane.client.create(spec("script-1", built.image))

    assert (await ask(await healthy(krane.client, "script-1"), "/")).json()["version"] == "from a script"
    await krane.client.delete(NAMESPACE, "script-1")


@pytest.mark.parametrize(
    ("name", "files", "error"),
    [
        ("no-start", {"app.py": ""}, "the source does not say how it is started"),
        ("no-program", {"Procfile": "web: gunicorn app"}, "the start command names 'gunicorn', which is not there"),
        (
            "bad-requirements",
            {"interlock.toml": START, "requirements.txt": "./missing.whl"},
            "requirements.txt could not be installed",
        ),
    ],
)
async def test_build_that_cannot_succeed_says_what_to_correct(
    krane: Krane, name: str, files: dict[str, str], error: str
) -> None:
    built = await build(krane.client, name, pack(files))

    assert (built.status, built.image) == (BuildStatus.FAILED, "")
    assert built.error.startswith(error)
    assert f"build failed: {built.error}" in built.log_lines


async def test_cancelled_build_leaves_no_process(krane: Krane) -> None:
    stored = await krane.client.upload_source(in_chunks(slow_source("cancelled")))
    await krane.client.start_build(NAMESPACE, "cancelled", stored.source)
    await until(lambda: _sleeps(krane, "cancelled"))

    await krane.client.cancel_build(NAMESPACE, "cancelled")

    assert processes_with(_home(krane, "cancelled")) == set()
    images = (krane.data_dir / "krane" / "artifacts").iterdir()
    assert all((image / "artifact.json").exists() for image in images)
    await krane.client.start_build(NAMESPACE, "cancelled", stored.source)
    await krane.client.cancel_build(NAMESPACE, "cancelled")
    assert (await build_ended(krane.client, "cancelled")).status is BuildStatus.CANCELLED
    await krane.client.cancel_build(NAMESPACE, "never-started")


async def test_third_build_waits_for_its_turn_and_can_be_cancelled_there(krane: Krane) -> None:
    for name in ("busy-1", "busy-2", "busy-3"):
        stored = await krane.client.upload_source(in_chunks(slow_source(name)))
        await krane.client.start_build(NAMESPACE, name, stored.source)
    await until(lambda: _sleeps(krane, "busy-2"))
    waiting = await krane.client.get_build(NAMESPACE, "busy-3")

    for name in ("busy-3", "busy-1", "busy-2"):
        await krane.client.cancel_build(NAMESPACE, name)

    assert waiting is not None
    assert waiting.log_lines == ("waiting: 2 other builds are running",)
    ended = await build_ended(krane.client, "busy-3")
    assert ended.log_lines == ("waiting: 2 other builds are running", "the build was cancelled")


async def test_build_over_its_time_is_stopped(tmp_path: Path) -> None:
    settings = KraneSettings(port=0, build_timeout_seconds=1.5)
    async with running(tmp_path, settings) as address, KraneClient(address) as client:
        built = await build(client, "endless", slow_source("endless"))

    assert (built.status, built.error) == (BuildStatus.FAILED, "the build took longer than 1.5 s and was stopped")
    assert shims_of(tmp_path) == set()


async def test_build_id_names_one_build(krane: Krane) -> None:
    archive = pack({"interlock.toml": START, "app.py": "one build"})
    built = await build(krane.client, "named", archive)
    other = await krane.client.upload_source(in_chunks(pack({"interlock.toml": START})))

    assert await build(krane.client, "named", archive) == built
    with pytest.raises(Conflict, match="named"):
        await krane.client.start_build(NAMESPACE, "named", other.source)
    with pytest.raises(Conflict, match="named"):
        await krane.client.start_build("umbrella", "named", other.source)
    assert await krane.client.get_build("umbrella", "named") is None


async def test_build_of_a_source_that_was_not_uploaded_says_what_to_do(krane: Krane) -> None:
    with pytest.raises(PreconditionFailed, match="upload it first"):
        await krane.client.start_build(NAMESPACE, "sourceless", f"source@sha256:{'0' * 64}")
    with pytest.raises(Invalid):
        await krane.client.start_build(NAMESPACE, "sourceless", "source@sha256:../../etc")


async def test_refused_upload_says_why_and_leaves_nothing(krane: Krane) -> None:
    sources = krane.data_dir / "krane" / "sources"
    before = sorted(sources.iterdir())

    with pytest.raises(Invalid, match="larger than 1048576 bytes"):
        await krane.client.upload_source(in_chunks(bytes(1024 * 1024 + 1)))
    with pytest.raises(Invalid, match="leads out of the archive"):
        await krane.client.upload_source(in_chunks(pack_entries([(entry("../evil"), b"")])))
    with pytest.raises(Invalid, match="not a gzipped tar"):
        await krane.client.upload_source(in_chunks(b""))

    assert sorted(sources.iterdir()) == before


async def _sleeps(krane: Krane, build_id: str) -> bool:
    """Whether the installation of a slow source got to where it never ends."""
    return any(b"3600" in _arguments(pid) for pid in processes_with(_home(krane, build_id)))


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _home(krane: Krane, build_id: str) -> str:
    return f"HOME={krane.data_dir}/krane/builds/{build_id}/job/home"
