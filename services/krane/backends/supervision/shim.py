"""Runs one command and supervises its process tree.

krane starts `python -I -S shim.py FOLDER` for each instance and each build, and may die while the command goes on. Only
the standard library is used, so that the shim starts in a few milliseconds and stays small.

Promises. Each folder has at most one shim, which holds its lock, and that of the command's port. The command gets an
environment with exactly the variables of the command file. When the command ends, is stopped, or uses too much memory,
its whole process tree is gone before the exit is recorded, including children that left the session.

A stop signals the command first, as `docker stop` does: a server ends its workers after their requests are answered.
The processes that it leaves are signalled next. Both share one grace period; at its end the rest is killed.
"""

# pathlib would add a third to the start-up time:
# ruff: noqa: PTH103, PTH105, PTH110, PTH123, PTH208

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import sys
import time
from types import FrameType
from typing import NoReturn, NotRequired, TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds between checks of the tree's memory and of the grace period.
TICK_SECONDS = 0.25
# "$PORT" as a whole word: "$PORTS" is another variable.
PORT = re.compile(r"\$\{PORT\}|\$PORT(?![A-Za-z0-9_])")
# In the options of overlayfs, colons separate folders and commas separate options.
SEPARATORS, ESCAPED = re.compile(r"([\\,:])"), r"\\\1"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
EXIT_CANNOT_RUN = 127
# The descriptor that krane passes, and that is open as long as the shim lives.
PORT_LOCK = 3
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000


class Mount(TypedDict):
    """A folder that the command sees at another place, or through a layer of its own."""

    source: str
    target: str
    # Folder for what is written; the source never changes. Empty: writes change the source.
    layer: str


class ShimCommand(TypedDict):
    """What krane asks for (command.json)."""

    # Id of this run. Each of its processes carries it in INTERLOCK_RUN_ID.
    run_id: str
    # krane's pid. Until the shim holds its lock, it dies with krane.
    parent_pid: int
    # "$PORT" and "${PORT}" in arguments become the port.
    arguments: list[str]
    environment: dict[str, str]
    working_directory: str
    log_path: str
    # The log is at most `log_files` files of this size.
    log_file_bytes: int
    log_files: int
    # Memory limit of the process tree; 0 = none.
    memory_bytes: int
    # Seconds from SIGTERM to the command until SIGKILL to the rest.
    stop_grace_seconds: float
    # The port of the run, for which descriptor 3 is the lock; None = the command needs no port.
    wanted_port: int | None
    # True for builds, which end with krane; False for instances.
    dies_with_krane: bool
    # Only the command sees them. Absent in the files of an older krane.
    mounts: NotRequired[list[Mount]]
    # First line of the log; empty or absent: none.
    note: NotRequired[str]


class ShimState(TypedDict):
    """State of the run (state.json)."""

    run_id: str
    is_ended: bool
    # 0 = it has none.
    port: int
    # Negative: the signal that ended it. None: it runs.
    exit_code: int | None
    # krane asked for the end.
    was_stopped: bool
    # Why the shim ended the command without being asked; else empty.
    reason: str


class Log:
    """Appends to a file, and starts a new one when it is full. Keeps the newest files.

    Each line begins with its time stamp in nanoseconds since the epoch and a space. Stamps are unique within a run, so
    a stamp also names its line.
    """

    def __init__(self, path: str, file_bytes: int, files: int) -> None:
        self._path = path
        self._file_bytes = file_bytes
        self._files = files
        self._open()
        self._stamp = 0
        # A killed shim may have left an unfinished line.
        self._is_in_line = self._size > 0 and os.pread(self._descriptor, 1, self._size - 1) != b"\n"
        self.end_line()

    def write(self, data: bytes) -> None:
        """Append. A full disk loses log lines, never the command."""
        stamped = self._stamped(data)
        with contextlib.suppress(OSError):
            if self._size and self._size + len(stamped) > self._file_bytes:
                self._rotate()
            self._size += os.write(self._descriptor, stamped)

    def end_line(self) -> None:
        """End an unfinished line."""
        if self._is_in_line:
            self.write(b"\n")

    def _stamped(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        first = max(time.time_ns(), self._stamp + 1)
        self._stamp = first + len(lines)
        stamped = [b"%d %b" % (first + number, line) for number, line in enumerate(lines)]
        if self._is_in_line:
            stamped[0] = lines[0]
        self._is_in_line = lines[-1] != b""
        if not self._is_in_line:
            stamped[-1] = b""
        return b"\n".join(stamped)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            older = f"{self._path}.{number}"
            newer = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(newer):
                os.replace(newer, older)
        os.close(self._descriptor)
        self._open()


class Shim:
    """One command, from its start to its recorded exit."""

    def __init__(self, command: ShimCommand) -> None:
        self._command = command
        self._state = ShimState(
            run_id=command["run_id"],
            is_ended=False,
            port=command["wanted_port"] or 0,
            exit_code=None,
            was_stopped=False,
            reason="",
        )
        self._log = Log(command["log_path"], command["log_file_bytes"], command["log_files"])
        self._output, self._output_end = os.pipe2(os.O_CLOEXEC)
        self._signals = open_signal_pipe()
        self._pid = 0
        self._kill_at: float | None = None
        self._memory_check_at = 0.0

    def run(self) -> None:
        """Start the command and stay until none of its processes is left."""
        self._start()
        while self._state["exit_code"] is None:
            self._wait_for_news()
            self._reap()
            self._check_memory()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                kill_descendants()
        self._let_the_rest_end()
        end_descendants()
        self._drain_output()
        self._log.end_line()
        self._state["is_ended"] = True
        self._save()

    def _start(self) -> None:
        # Before the fork: if the folder is gone or the disk is full, nothing must start.
        self._save()
        if note := self._command.get("note"):
            self._log.write(f"{note}\n".encode())
        shim_pid = os.getpid()
        # Signals are blocked until the command is there. Before exec it would handle them with the shim's handlers, and
        # never learn that it has to stop.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._pid = os.fork()
        if self._pid == 0:
            self._become_command(shim_pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._output_end)

    def _become_command(self, shim_pid: int) -> NoReturn:
        try:
            # The kernel kills the command if the shim is killed, which may already have happened.
            set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != shim_pid:
                os._exit(EXIT_CANNOT_RUN)
            os.setsid()
            for number in (*SIGNALS, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.dup2(self._output_end, 1)
            os.dup2(self._output_end, 2)
            mount_all(self._command.get("mounts", []))
            os.chdir(self._command["working_directory"])
            port = str(self._state["port"])
            arguments = [PORT.sub(port, argument) for argument in self._command["arguments"]]
            environment = {**self._command["environment"], "INTERLOCK_RUN_ID": self._state["run_id"]}
            if self._state["port"]:
                environment["PORT"] = port
            os.execvpe(arguments[0], arguments, environment)
        except OSError as error:
            os.write(2, f"cannot run {self._command['arguments'][0]!r}: {error.strerror}\n".encode())
        finally:
            os._exit(EXIT_CANNOT_RUN)

    def _wait_for_news(self) -> None:
        has_deadline = self._kill_at is not None or self._command["memory_bytes"]
        sources = [self._signals] if self._output < 0 else [self._signals, self._output]
        readable, _, _ = select.select(sources, [], [], TICK_SECONDS if has_deadline else None)
        if self._output in readable:
            self._copy_output()
        if self._signals in readable and any(number in STOP_SIGNALS for number in os.read(self._signals, 64)):
            self._begin_to_stop()

    def _copy_output(self) -> bool:
        data = os.read(self._output, 65536)
        if data:
            self._log.write(data)
        else:
            os.close(self._output)
            self._output = -1
        return bool(data)

    def _begin_to_stop(self) -> None:
        if self._kill_at is None:
            self._state["was_stopped"] = True
            self._kill_at = time.monotonic() + self._command["stop_grace_seconds"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def _let_the_rest_end(self) -> None:
        """Signal what a stopped command left, and wait until it ends or the grace period is over."""
        if not self._state["was_stopped"] or self._kill_at is None:
            return
        signal_descendants(signal.SIGTERM)
        while descendants() and time.monotonic() < self._kill_at:
            self._wait_for_news()
            self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._state["exit_code"] = os.waitstatus_to_exitcode(status)

    def _check_memory(self) -> None:
        limit = self._command["memory_bytes"]
        if not limit or self._kill_at is not None or time.monotonic() < self._memory_check_at:
            return
        self._memory_check_at = time.monotonic() + TICK_SECONDS
        used = memory_above(limit)
        if used:
            self._state["reason"] = f"out of memory: it used {used >> 20} MiB of {limit >> 20} MiB"
            self._kill_at = time.monotonic()

    def _drain_output(self) -> None:
        # Non-blocking: a process outside of the tree may hold the pipe open.
        if self._output >= 0:
            os.set_blocking(self._output, False)
            with contextlib.suppress(BlockingIOError):
                while self._copy_output():
                    pass

    def _save(self) -> None:
        with open("state.json.new", "w") as file:
            json.dump(self._state, file)
        os.replace("state.json.new", "state.json")


def set_process_option(option: int, value: int) -> None:
    """Call prctl(2); raises OSError when the kernel refuses."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl was refused")


def mount_all(mounts: list[Mount]) -> None:
    """Mount folders in a mount namespace of this process and its descendants; it ends with them. Raises OSError."""
    if not mounts:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "a mount namespace was refused")
    # What the machine mounts later appears here too, and what is mounted here appears nowhere else.
    mount(libc, "none", "/", "", MS_REC | MS_SLAVE, "")
    for one in mounts:
        if one["layer"]:
            mount(libc, "overlay", one["target"], "overlay", 0, overlay_options(one["source"], one["layer"]))
        else:
            os.makedirs(one["target"], exist_ok=True)
            mount(libc, one["source"], one["target"], "", MS_BIND, "")


def overlay_options(lower: str, layer: str) -> str:
    """Return the options of overlayfs for a layer, whose two folders are made if they are missing."""
    folders = {"lowerdir": lower, "upperdir": f"{layer}/changes", "workdir": f"{layer}/work"}
    for name in ("upperdir", "workdir"):
        os.makedirs(folders[name], exist_ok=True)
    return ",".join(f"{name}={SEPARATORS.sub(ESCAPED, path)}" for name, path in folders.items())


def mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int, options: str) -> None:
    """Call mount(2); raises OSError when the kernel refuses."""
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {target}: {os.strerror(ctypes.get_errno())}")


def open_signal_pipe() -> int:
    """Turn signals into bytes on the returned descriptor."""
    receiver, sender = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(sender)
    for number in SIGNALS:
        signal.signal(number, ignore)
    return receiver


def ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal pipe receives the signal."""


def descendants(shim_pid: int | None = None) -> list[int]:
    """Return the pids below a shim, by default this process.

    It is a subreaper and inherits every orphan, so no process is missed.
    """
    found: list[int] = []
    parents = [shim_pid or os.getpid()]
    while parents:
        children = children_of(parents.pop())
        found += children
        parents += children
    return found


def children_of(pid: int) -> list[int]:
    """Return the pids that any thread of a process started; empty if it is gone."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return children


def signal_descendants(number: int) -> None:
    """Send a signal to every process of the tree."""
    for pid in descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_descendants() -> None:
    """Kill every process of the tree that exists now. Repeat it: a process that is just forking is found next time."""
    signal_descendants(signal.SIGKILL)


def end_descendants() -> None:
    """Kill until the kernel says with ECHILD that no child is left."""
    while True:
        kill_descendants()
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def memory_above(limit: int) -> int:
    """Return the bytes that the tree uses if they exceed the limit, else 0.

    Resident sizes are cheap to read, but count shared pages once per process, so their sum is never too low. Only if it
    exceeds the limit are the exact but slower proportional sizes added up.
    """
    pids = descendants()
    if sum(map(resident_bytes, pids)) <= limit:
        return 0
    used = sum(map(proportional_bytes, pids))
    return used if used > limit else 0


def resident_bytes(pid: int) -> int:
    """Return the resident size of a process; 0 if it is gone."""
    try:
        return int(read(f"/proc/{pid}/statm").split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def proportional_bytes(pid: int) -> int:
    """Return the proportional size of a process: each shared page divided by its users; 0 if it is gone."""
    try:
        lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    except PermissionError:
        return resident_bytes(pid)
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def read(path: str) -> str:
    """Read a small text file."""
    with open(path) as file:
        return file.read()


def main(folder: str) -> None:
    """Supervise the command of a folder."""
    os.closerange(PORT_LOCK + 1, 1 << 20)
    # Only the shim holds the lock of its port. An older krane passes none.
    with contextlib.suppress(OSError):
        os.set_inheritable(PORT_LOCK, False)
    set_process_option(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.chdir(folder)
    command: ShimCommand = json.loads(read("command.json"))
    if os.getppid() != command["parent_pid"]:
        return
    # Children do not inherit a POSIX lock, and F_GETLK names its holder. Closing any descriptor of the file drops the
    # lock: so it is opened once, here.
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    shim = Shim(command)
    if not command["dies_with_krane"]:
        set_process_option(PR_SET_PDEATHSIG, 0)
    shim.run()


if __name__ == "__main__":
    main(sys.argv[1])
