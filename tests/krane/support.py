"""Helpers of krane's tests: sources made from text, waits with a deadline, and the processes of an instance."""

import asyncio
import io
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from services.domain.git import GitSource
from services.domain.settings import EffectiveSettings
from services.krane.backends.shared.folders import Folders
from services.krane.client import KraneClient
from services.krane.types import (
    BuildState,
    BuildStatus,
    DeploymentSpec,
    DeploymentState,
    HostCredential,
    InstanceReport,
)
from tests.krane.docker_image import PYTHON

T = TypeVar("T")
NAMESPACE = "acme"
# Both backends find it there: the test image holds what this machine has.
LISTING = (
    str(PYTHON),
    "-c",
    "import os, sys; from http.server import *; address = os.environ.get('HOST', '0.0.0.0'), int(sys.argv[1]); "
    "HTTPServer(address, SimpleHTTPRequestHandler).serve_forever()",
    "$PORT",
)


def inward_listing(port: str = "$PORT") -> tuple[str, ...]:
    """The same, on 127.0.0.1 also in a container."""
    python, option, program, _ = LISTING
    return python, option, program.replace("os.environ.get('HOST', '0.0.0.0')", "'127.0.0.1'"), port


def pack(files: Mapping[str, str | bytes]) -> bytes:
    """A source archive of text files."""
    return pack_entries([(_file(name, content), _bytes(content)) for name, content in files.items()])


def pack_folder(folder: Path) -> bytes:
    """A source archive of a folder's files."""
    return pack({path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()})


def never_ending(marker: str) -> str:
    """A program that starts a process in another session, known by the marker, and then never ends."""
    return (
        "import subprocess, sys, time\n"
        f"sleep = [sys.executable, '-S', '-c', 'import time; time.sleep(3600)', {marker!r}]\n"
        "subprocess.Popen(sleep, start_new_session=True)\n"
        "time.sleep(3600)\n"
    )


def marked_processes(marker: str) -> set[int]:
    """The pids of what a program that never ends started."""
    return {int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _has_argument(p, marker)}


def _has_argument(process: Path, argument: str) -> bool:
    try:
        return argument.encode() in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def pack_entries(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A source archive of any entries, hostile ones included."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for entry, content in entries:
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """One entry of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, size, 0o755
    return info


def _file(name: str, content: str | bytes) -> tarfile.TarInfo:
    return entry(name, size=len(_bytes(content)))


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


async def in_chunks(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """Bytes in pieces."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def until(question: Callable[[], Awaitable[T | None]], seconds: float = 10.0) -> T:
    """Ask until the answer is true; fails with the last one."""
    deadline = time.monotonic() + seconds
    while not (answer := await question()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {answer!r}"
        await asyncio.sleep(0.02)
    return answer


async def build(client: KraneClient, build_id: str, archive: bytes) -> BuildState:
    """Upload, build and wait for the end."""
    stored = await client.upload_source(in_chunks(archive))
    await client.start_build(NAMESPACE, build_id, stored.source)
    return await build_ended(client, build_id)


async def build_from_git(
    client: KraneClient, build_id: str, url: str, ref: str, *credentials: HostCredential
) -> BuildState:
    """Build a commit and wait for the end."""
    await client.start_build(NAMESPACE, build_id, GitSource(url=url, ref=ref), credentials=credentials)
    return await build_ended(client, build_id)


async def build_ended(client: KraneClient, build_id: str) -> BuildState:
    """Wait for the end of a build."""

    async def ended() -> BuildState | None:
        state = await client.get_build(NAMESPACE, build_id)
        return state if state and state.status is not BuildStatus.RUNNING else None

    return await until(ended, 30)


def spec(deployment_id: str, image: str, *, replicas: int = 1, memory_mib: int = 128, path: str = "") -> DeploymentSpec:
    """What most tests run."""
    return DeploymentSpec(
        namespace=NAMESPACE,
        deployment_id=deployment_id,
        image=image,
        run=EffectiveSettings(replicas=replicas, cpu_millicores=1000, memory_mib=memory_mib, health_path=path),
    )


def with_run(spec: DeploymentSpec, **settings: Any) -> DeploymentSpec:
    """The same with other settings."""
    return replace(spec, run=replace(spec.run, **settings))


async def state_of(client: KraneClient, deployment_id: str) -> DeploymentState:
    """How a deployment is that must be there."""
    state = await client.get(NAMESPACE, deployment_id)
    assert state is not None
    return state


async def instance_when(
    client: KraneClient, deployment_id: str, condition: Callable[[InstanceReport], bool]
) -> InstanceReport:
    """The first instance, as soon as a condition holds."""

    async def instance() -> InstanceReport | None:
        first = (await state_of(client, deployment_id)).instances[0]
        return first if condition(first) else None

    return await until(instance, 20)


async def healthy(client: KraneClient, deployment_id: str) -> InstanceReport:
    """The first instance, as soon as it is healthy."""
    return await instance_when(client, deployment_id, lambda instance: instance.healthy)


async def ask(instance: InstanceReport, path: str) -> httpx.Response:
    """Ask an instance itself."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        return await http.get(f"http://{instance.address}{path}")


async def tell(instance: InstanceReport, path: str) -> None:
    """Ask an instance for what it does not survive."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        try:
            await http.get(f"http://{instance.address}{path}")
        except httpx.TransportError:
            return


def processes_with(variable: str) -> set[int]:
    """The pids whose environment holds NAME=VALUE."""
    return {int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and variable.encode() in _environment(p)}


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def processes_of(data_dir: Path, deployment_id: str) -> set[int]:
    """The pids of the first instance of a deployment, descendants included, found by its private home."""
    return processes_with(f"HOME={data_dir}/krane/deployments/{deployment_id}/instances/0/home")


def processes_of_fetch(data_dir: Path, build_id: str) -> set[int]:
    """The pids of what fetches a build's source."""
    return processes_with(f"HOME={Folders.under(data_dir).fetch(build_id)}/home")


def assert_no_fetch_is_left(data_dir: Path, build_id: str) -> None:
    """Nothing runs, and nothing is on the disk but what was stored."""
    assert processes_of_fetch(data_dir, build_id) == set()
    assert not Folders.under(data_dir).fetch(build_id).exists()


def container_processes(deployment_id: str) -> set[int]:
    """The pids of the first instance of a deployment in its container, without the engine's own first process."""
    return named_processes(f"{deployment_id}-0")


def named_processes(instance_id: str) -> set[int]:
    """The pids of an instance or a task, by the name that it is given, without the engine's own first process."""
    found = processes_with(f"INTERLOCK_INSTANCE_ID={instance_id}")
    return {pid for pid in found if _name(pid) not in ("", "docker-init")}


def _name(pid: int) -> str:
    """What a process is called; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def shims_of(data_dir: Path) -> set[int]:
    """The pids of all shims of an installation."""
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        try:
            arguments = (process / "cmdline").read_text().split("\0") if process.name.isdigit() else []
        except OSError:
            continue
        if any(a.endswith("supervision/shim.py") for a in arguments) and any(str(data_dir) in a for a in arguments):
            found.add(int(process.name))
    return found
