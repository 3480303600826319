"""krane's side of a shim: starts a shim, finds it again, reads its state, waits for its end, and stops it."""

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.domain.errors import Unavailable
from services.files import write_atomically
from services.krane.backends.supervision import shim
from services.krane.backends.supervision.ending import NEVER_RAN, Ending
from services.krane.backends.supervision.run_cookie import kill_run

START_SECONDS = 10.0
# Seconds after the grace period in which a shim has to kill the tree and record the exit.
KILL_SECONDS = 5.0
POLL_SECONDS = 0.005
LOG_FILE_BYTES = 1024 * 1024
LOG_FILES = 3
# struct flock on 64-bit Linux: type, whence, start, length, pid.
FLOCK = "hhqqi4x"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """What to run under a shim."""

    # "$PORT" and "${PORT}" are replaced by the port.
    arguments: tuple[str, ...]
    environment: dict[str, str]
    working_directory: Path
    log: Path
    stop_grace_seconds: float
    # Memory limit of the process tree; 0 = none.
    memory_bytes: int = 0
    # None = the command needs none.
    port: int | None = None
    dies_with_krane: bool = False
    # Only the command sees them; krane must be root.
    mounts: tuple[shim.Mount, ...] = ()
    # First line of the log; empty = none.
    note: str = ""


class SupervisedProcess:
    """One command under a shim, identified by its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # pidfd of the shim, if this krane started it and has not reaped it.
        self._child: int | None = None

    @property
    def port(self) -> int:
        """The port of the run; 0 before the start."""
        state = self._state()
        return state["port"] if state else 0

    def processes(self) -> list[int]:
        """Return the pids of the run; empty if nothing runs."""
        shim_pid = self._holder()
        return shim.descendants(shim_pid) if shim_pid else []

    @property
    def may_have_begun(self) -> bool:
        """Whether a run was ever requested."""
        return self._command() is not None

    async def start(self, spec: CommandSpec, port_lock: int | None = None) -> None:
        """Begin a run; returns once the shim supervises it. Raises Unavailable if the shim does not start.

        `port_lock` is a descriptor that the shim keeps open until the run has ended.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self._folder / "command.json", json.dumps(_command(spec)).encode())
        self._child = self._spawn(port_lock)
        if not await self.is_started():
            await self.stop()
            raise Unavailable(f"the supervisor in {self._folder} did not start: see shim.log there")

    async def is_started(self) -> bool:
        """Return whether the run exists. Waits for one that is just starting."""
        deadline = time.monotonic() + START_SECONDS
        async with self._handle() as handle:
            while handle is not None and not _has_ended(handle) and time.monotonic() < deadline:
                if self._state() is not None:
                    return True
                await asyncio.sleep(POLL_SECONDS)
        return False

    async def wait(self) -> Ending:
        """Wait for the end, and until no process of the run is left. A run that never began counts as stopped."""
        async with self._handle() as handle:
            if handle is not None:
                await _ended(handle)
        self._reap()
        command, state = self._command(), self._state()
        if command is None:
            return NEVER_RAN
        if state is None or not state["is_ended"]:
            await kill_run(command["run_id"])
            return Ending(exit_code=None, was_stopped=False, cause="its supervisor was killed")
        return Ending(exit_code=state["exit_code"], was_stopped=state["was_stopped"], cause=state["reason"])

    async def stop(self) -> Ending:
        """End the process tree: SIGTERM, then SIGKILL after the grace period. Succeeds if it is gone."""
        command = self._command()
        grace = command["stop_grace_seconds"] if command else 0.0
        async with self._handle() as handle:
            if handle is not None:
                await _end(handle, grace + KILL_SECONDS)
        return await self.wait()

    def forget(self) -> None:
        """Forget the ended run, as if it had never begun."""
        (self._folder / "command.json").unlink(missing_ok=True)

    def _spawn(self, port_lock: int | None) -> int:
        passed = [] if port_lock is None else [(os.POSIX_SPAWN_DUP2, port_lock, shim.PORT_LOCK)]
        # posix_spawn, since asyncio kills its subprocesses when the event loop closes.
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", shim.__file__, str(self._folder)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(self._folder / "shim.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                *passed,
            ],
            setsid=True,
        )
        return os.pidfd_open(pid)

    def _reap(self) -> None:
        if self._child is not None:
            os.waitid(os.P_PIDFD, self._child, os.WEXITED)
            os.close(self._child)
            self._child = None

    @asynccontextmanager
    async def _handle(self) -> AsyncGenerator[int | None]:
        """Yield a pidfd of the shim, which names that process even if its pid is reused; None if the shim is gone."""
        handle = os.dup(self._child) if self._child is not None else self._adopt()
        try:
            yield handle
        finally:
            if handle is not None:
                os.close(handle)

    def _adopt(self) -> int | None:
        pid = self._holder()
        if pid is None:
            return None
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        # Check again: only now is it certain that the pidfd is the holder's.
        if self._holder() == pid:
            return handle
        os.close(handle)
        return None

    def _holder(self) -> int | None:
        """Return the pid of the shim that holds the folder's lock."""
        try:
            descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
        finally:
            os.close(descriptor)
        return None if kind == fcntl.F_UNLCK else pid

    def _command(self) -> shim.ShimCommand | None:
        try:
            return json.loads((self._folder / "command.json").read_bytes())
        except FileNotFoundError:
            return None

    def _state(self) -> shim.ShimState | None:
        """Return what the shim recorded of the current run."""
        command = self._command()
        try:
            state: shim.ShimState = json.loads((self._folder / "state.json").read_bytes())
        except FileNotFoundError:
            return None
        return state if command and state["run_id"] == command["run_id"] else None


def _command(spec: CommandSpec) -> shim.ShimCommand:
    return shim.ShimCommand(
        run_id=uuid.uuid4().hex,
        parent_pid=os.getpid(),
        arguments=list(spec.arguments),
        environment=spec.environment,
        working_directory=str(spec.working_directory),
        log_path=str(spec.log),
        log_file_bytes=LOG_FILE_BYTES,
        log_files=LOG_FILES,
        memory_bytes=spec.memory_bytes,
        stop_grace_seconds=spec.stop_grace_seconds,
        wanted_port=spec.port,
        dies_with_krane=spec.dies_with_krane,
        mounts=list(spec.mounts),
        note=spec.note,
    )


async def _end(handle: int, timeout_seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    try:
        async with asyncio.timeout(timeout_seconds):
            await _ended(handle)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        await _ended(handle)


async def _ended(handle: int) -> None:
    """Wait until the process behind a pidfd has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    # A descriptor of its own: the event loop allows one reader per descriptor.
    own = os.dup(handle)
    loop.add_reader(own, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(own)
        os.close(own)


def _has_ended(handle: int) -> bool:
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(0))
