"""`interlock doctor`: look at the machine and the installation. It changes nothing, and ends within seconds."""

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Awaitable, Sequence
from pathlib import Path

from pydantic import ValidationError

from services.config import KraneBackend, Settings
from services.domain.diagnosis import (
    Finding,
    Verdict,
    judge_disk,
    judge_dns,
    judge_docker,
    judge_parts,
    judge_ports,
    judge_program,
)
from services.domain.errors import Conflict, InterlockError, PreconditionFailed
from services.files import hold_lock
from services.gateway.bootstrap import envoy_binary
from services.krane.backends.docker.engine import Engine
from services.runtime.environment import bare_environment
from services.runtime.health import answers_ok, serves_grpc
from services.runtime.parts import restate_binary
from services.runtime.ports import configured_ports, is_free
from services.runtime.ready import ReadyFile

PROGRAM_SECONDS = 5.0
DOCKER_SECONDS = 3.0
DNS_SECONDS = 3.0


def diagnose(data_dir: Path) -> list[Finding]:
    """Return one finding for each thing that was looked at."""
    try:
        settings = Settings(data_dir=data_dir)
    except ValidationError as error:
        wrong = "; ".join(f"INTERLOCK_{'__'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        next_step = "correct these variables; docs/guide/configuration.md lists all"
        return [Finding(name="configuration", verdict=Verdict.FAILURE, found=wrong, next=next_step)]
    is_running = _is_running(data_dir)
    return [
        _data_directory(data_dir),
        judge_disk(str(data_dir), shutil.disk_usage(_existing(data_dir)).free),
        judge_ports({} if is_running else _taken(settings), is_running=is_running),
        *asyncio.run(_ask(settings, is_running=is_running)),
        judge_dns(settings.apex, _resolve(f"doctor.{settings.apex}")),
    ]


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _data_directory(data_dir: Path) -> Finding:
    nearest = _existing(data_dir)
    if nearest.is_dir() and os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
        found = str(data_dir) if nearest == data_dir else f"{data_dir}, which `interlock up` creates"
        return Finding(name="data", verdict=Verdict.OK, found=found)
    return Finding(
        name="data",
        verdict=Verdict.FAILURE,
        found=f"{nearest} is not a folder that this user can write to",
        next="change its owner, or choose another --data-dir",
    )


def _is_running(data_dir: Path) -> bool:
    """Return whether an `interlock up` holds the data directory."""
    lock = data_dir / "up.lock"
    if not lock.exists():
        return False
    try:
        with hold_lock(lock, lambda holder: holder):
            return False
    except Conflict:
        return True
    except OSError:
        # Another user's: their `up` made it.
        return (data_dir / "ready.json").exists()


def _taken(settings: Settings) -> dict[str, int]:
    return {name: port for name, port in configured_ports(settings) if not is_free(port)}


async def _ask(settings: Settings, *, is_running: bool) -> Sequence[Finding]:
    return await asyncio.gather(
        _docker(settings), _restate(settings), _envoy(settings), _parts(settings.data_dir, is_running=is_running)
    )


async def _docker(settings: Settings) -> Finding:
    version, problem, path = "", "", settings.krane.docker_socket
    engine = Engine(path)
    try:
        async with asyncio.timeout(DOCKER_SECONDS):
            version = (await engine.version()).api_version
    except TimeoutError:
        problem = f"the engine at {path} gives no answer within {DOCKER_SECONDS:g} s"
    except (InterlockError, ValidationError) as error:
        problem = str(error)
    finally:
        await engine.close()
    return judge_docker(
        problem, is_needed=settings.krane.backend is KraneBackend.DOCKER, version=version, socket=str(path)
    )


async def _restate(settings: Settings) -> Finding:
    try:
        binary = restate_binary(settings.tools_dir)
    except PreconditionFailed as error:
        return judge_program("restate", None, error.message.partition(";")[0])
    return judge_program("restate", *await _version(binary))


async def _envoy(settings: Settings) -> Finding:
    version, problem = await _version(str(envoy_binary(settings)))
    # Envoy says "<path>  version: <commit>/<version>/<build>…".
    number = version.rpartition("version: ")[2].split("/")[1:2] if version else []
    return judge_program("envoy", f"envoy {number[0]}" if number else version, problem)


async def _version(binary: str) -> tuple[str | None, str]:
    """Return the version that a program names, and else why it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=bare_environment(),
        )
    except FileNotFoundError:
        return None, f"{binary} is not installed"
    except OSError as error:
        return None, f"{binary} cannot be run: {error.strerror}"
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None, f"{binary} gives no version within {PROGRAM_SECONDS:g} s"
    said = output.decode(errors="replace").strip().splitlines() or [""]
    if process.returncode:
        return None, f"{binary} ended with code {process.returncode}: {said[-1]}"
    return next(line for line in said if line) if any(said) else "", ""


async def _parts(data_dir: Path, *, is_running: bool) -> Finding:
    logs, file = str(data_dir / "logs"), data_dir / "ready.json"
    try:
        ready = ReadyFile.model_validate_json(file.read_bytes()) if is_running else None
    except (OSError, ValidationError):
        ready = None
    sick: list[str] = []
    if ready is not None:
        probes: dict[str, Awaitable[bool]] = {
            "restate": answers_ok(f"{ready.admin}/health", f"{ready.ingress}/restate/health"),
            "krane": serves_grpc(ready.krane_grpc),
            "envoy": answers_ok(f"{ready.envoy_admin}/ready"),
            "ctrl": serves_grpc(ready.ctrl_grpc),
        }
        healthy = dict(zip(probes, await asyncio.gather(*probes.values()), strict=True))
        # The others are known by their processes: the ready file has no address of theirs.
        healthy |= {name: _is_alive(pid) for name, pid in ready.pids.items() if name not in healthy}
        sick = [name for name, is_healthy in healthy.items() if not is_healthy]
    return judge_parts(sick, is_running=is_running, is_ready=ready is not None, logs=logs)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It runs, as another user.
        return True
    return True


def _resolve(hostname: str) -> list[str] | None:
    """Return the addresses of a hostname; None if there is none within DNS_SECONDS."""
    found: list[str] = []

    def look() -> None:
        try:
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    # The resolver cannot be cancelled: a daemon does not hold up the end of the command.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(DNS_SECONDS)
    return found or None
