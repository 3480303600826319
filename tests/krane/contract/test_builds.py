"""Uploads and builds, over real gRPC with real installers: what both backends promise."""

import asyncio
import base64
import hashlib
import io
import signal
import time
import zipfile
from pathlib import Path

import pytest

from services.config import KraneSettings
from services.domain.errors import Conflict, Invalid, PreconditionFailed
from services.domain.plan import SourceFiles, make_plan, plan_lines
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import BuildState, BuildStatus
from tests.krane.contract.conftest import Needs
from tests.krane.contract.test_deployments import HOSTILE_IDS
from tests.krane.installation import Kind, Krane, krane_process
from tests.krane.support import (
    NAMESPACE,
    ask,
    build,
    build_ended,
    entry,
    healthy,
    in_chunks,
    marked_processes,
    pack,
    pack_entries,
    pack_folder,
    spec,
    until,
    with_run,
)

EXAMPLES = Path(__file__).parents[3] / "examples"
pytestmark = [pytest.mark.builders, pytest.mark.needs(Needs.BUILDS)]
START = '[start]\ncommand = ["python", "app.py"]\n'


def wheel() -> bytes:
    """The smallest package with a console script."""
    files = {
        "greet.py": "def main():\n    import sys\n    sys.path.insert(0, '')\n    import app\n",
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


async def test_requirements_are_installed_into_the_image_and_its_scripts_start_the_app(krane: Krane) -> None:
    source = {
        "greet-1.0-py3-none-any.whl": wheel(),
        "requirements.txt": "./greet-1.0-py3-none-any.whl\n",
        "Procfile": "release: nothing\nweb: greet ${PORT}\n",
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
        ("bad-toml", {"interlock.toml": "[start"}, "interlock.toml cannot be read"),
        ("bad-value", {"interlock.toml": START + "[resources]\nreplicas = 51"}, "replicas is 51: use 1 to 50"),
    ],
)
async def test_build_that_cannot_succeed_says_what_to_correct_and_leaves_nothing(
    krane: Krane, name: str, files: dict[str, str], error: str
) -> None:
    images = await krane.kind.images(krane.data_dir)

    built = await build(krane.client, name, pack(files))

    assert (built.status, built.image) == (BuildStatus.FAILED, "")
    assert error in built.error
    assert built.log_lines[-1] == f"the build failed: {built.error}"
    assert await krane.kind.images(krane.data_dir) == images


async def test_a_command_of_the_request_rescues_a_source_that_says_nothing(krane: Krane) -> None:
    serve = (EXAMPLES / "hello-python" / "app.py").read_text()
    built = await build(krane.client, "says-nothing", pack({"serve.txt": serve, "tool.py": "", "VERSION": "rescued"}))
    assert built.status is BuildStatus.SUCCEEDED, built
    silent = spec("silent-1", built.image)
    rescued = with_run(spec("rescued-1", built.image), command=("python", "serve.txt"))

    with pytest.raises(PreconditionFailed, match=r"does not say how it is started.*--command 'python tool.py'"):
        await krane.client.create(silent)
    await krane.client.create(rescued)

    assert (await ask(await healthy(krane.client, "rescued-1"), "/")).json()["version"] == "rescued"
    await krane.client.delete(NAMESPACE, "rescued-1")


async def test_every_backend_shows_the_same_plan(krane: Krane) -> None:
    files = {
        "main.py": "print()",
        "requirements.txt": "# none\n",
        "Procfile": "web: python main.py\nclock: python tick.py",
    }

    await build(krane.client, "same-plan", pack(files))
    built = await krane.client.get_build(NAMESPACE, "same-plan", tail_lines=1000)

    assert built is not None
    assert built.status is BuildStatus.SUCCEEDED, built
    expected = plan_lines(make_plan(SourceFiles.collect(files, lambda name: files[name].encode())))
    assert [line.strip() for line in built.log_lines if line.strip() in expected] == [line.strip() for line in expected]
    assert any(line.startswith("not run") and "clock: python tick.py" in line for line in expected)


async def test_a_folder_of_files_is_served(krane: Krane) -> None:
    source = {"public/index.html": "front", "public/404.html": "gone", "secret": "x"}
    built = await build(krane.client, "static", pack(source))
    assert built.status is BuildStatus.SUCCEEDED, built
    await krane.client.create(spec("static-1", built.image, path="/"))
    instance = await healthy(krane.client, "static-1")

    pages = {path: (await ask(instance, path)).text for path in ("/", "/none", "/..%2fsecret")}

    assert pages == {"/": "front", "/none": "gone", "/..%2fsecret": "gone"}
    await krane.client.delete(NAMESPACE, "static-1")


async def test_cancelled_build_leaves_nothing(krane: Krane) -> None:
    images = await krane.kind.images(krane.data_dir)
    source = await begun(krane, "cancelled")

    asked = time.monotonic()
    await krane.client.cancel_build(NAMESPACE, "cancelled")

    assert time.monotonic() - asked < 5
    assert marked_processes("cancelled") == set()
    assert await krane.kind.images(krane.data_dir) == images
    await krane.client.start_build(NAMESPACE, "cancelled", source)
    assert (await build_ended(krane.client, "cancelled")).status is BuildStatus.CANCELLED
    await krane.client.cancel_build(NAMESPACE, "never-started")


async def test_third_build_waits_for_its_turn_and_can_be_cancelled_there(krane: Krane) -> None:
    await asyncio.gather(begun(krane, "busy-1"), begun(krane, "busy-2"))
    stored = await krane.client.upload_source(in_chunks(krane.kind.slow_source("busy-3")))
    await krane.client.start_build(NAMESPACE, "busy-3", stored.source)

    waiting = await until(lambda: said_something(krane, "busy-3"))
    for name in ("busy-3", "busy-1", "busy-2"):
        await krane.client.cancel_build(NAMESPACE, name)

    assert waiting.log_lines == ("waiting: 2 other builds are running",)
    ended = await build_ended(krane.client, "busy-3")
    assert ended.log_lines == ("waiting: 2 other builds are running", "the build was cancelled")


async def test_two_builds_of_one_source_are_one_piece_of_work(krane: Krane) -> None:
    archive = pack({"interlock.toml": START, "app.py": "twins"})

    twins = await asyncio.gather(build(krane.client, "twin-1", archive), build(krane.client, "twin-2", archive))

    assert len({twin.image for twin in twins}) == 1
    assert sorted(twin.cached for twin in twins) == [False, True]


async def test_build_over_its_time_is_stopped(kind: Kind, tmp_path: Path) -> None:
    settings = replace_timeout(kind)
    async with running(tmp_path, settings) as address, KraneClient(address) as client:
        built = await build(client, "endless", kind.slow_source("endless"))
        images = await kind.images(tmp_path)

    assert (built.status, built.error) == (BuildStatus.FAILED, "the build took longer than 1.5 s and was stopped")
    assert marked_processes("endless") == images == set()
    await kind.end(tmp_path)


async def test_killed_krane_begins_a_build_anew_and_leaves_nothing(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        stored = await client.upload_source(in_chunks(kind.slow_source("interrupted")))
        await client.start_build(NAMESPACE, "interrupted", stored.source)
        first = await until(lambda: marked("interrupted"), 30)

        await process.end(signal.SIGKILL)
        await process.start()

        await until(lambda: marked_besides("interrupted", first), 30)
        assert first.isdisjoint(marked_processes("interrupted"))
        state = await client.get_build(NAMESPACE, "interrupted", tail_lines=100)
        assert state is not None
        assert "krane was restarted: the build starts again" in state.log_lines
        await client.cancel_build(NAMESPACE, "interrupted")
        assert marked_processes("interrupted") == set()
        assert await kind.images(tmp_path) == set()


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


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
async def test_hostile_id_of_a_build_is_refused(krane: Krane, hostile: str) -> None:
    with pytest.raises(Invalid, match="build_id"):
        await krane.client.get_build(NAMESPACE, hostile)
    with pytest.raises(Invalid, match="namespace"):
        await krane.client.get_build(hostile, "fine")


async def begun(krane: Krane, marker: str) -> str:
    """Begin a build that never ends, and wait until it is where it stays; returns its source."""
    stored = await krane.client.upload_source(in_chunks(krane.kind.slow_source(marker)))
    await krane.client.start_build(NAMESPACE, marker, stored.source)
    await until(lambda: marked(marker), 30)
    return stored.source


async def marked(marker: str) -> set[int]:
    return marked_processes(marker)


async def marked_besides(marker: str, others: set[int]) -> set[int]:
    return marked_processes(marker) - others


async def said_something(krane: Krane, build_id: str) -> BuildState | None:
    state = await krane.client.get_build(NAMESPACE, build_id)
    return state if state and state.log_lines else None


def replace_timeout(kind: Kind) -> KraneSettings:
    return kind.settings.model_copy(update={"build_timeout_seconds": 1.5})
