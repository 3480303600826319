"""Runs one command and answers for everything it starts.

krane starts `python -I -S shim.py FOLDER` for each instance and each build, and may die while the command runs on.
Standard library only, so that it starts in a few milliseconds and stays small.

Promises. One shim per folder, shown by the lock it holds. The command gets a port that nothing else was given, and an
environment that holds what the command file says and nothing else. When the command ends, or is stopped, or takes too
much memory, its whole process tree is gone before the exit is recorded, children that left the session included.

A stop asks the command itself first, as `docker stop` does: a server ends its workers when their requests are answered.
What the command leaves is asked next. The grace period counts for both, and what is left at its end is killed.
"""

# pathlib would add a third to the start-up time:
# ruff: noqa: PTH105, PTH110, PTH123, PTH208

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import signal
import socket
import sys
import time
from types import FrameType
from typing import NoReturn, TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds between looks at the memory of the tree, and at whether a grace period is over.
TICK_SECONDS = 0.25
# "$PORT" as a whole: "$PORTS" is another variable.
PORT = re.compile(r"\$\{PORT\}|\$PORT(?![A-Za-z0-9_])")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
EXIT_CANNOT_RUN = 127


class ShimCommand(TypedDict):
    """What krane asks for (command.json)."""

    # Names this run; carried by every process of it in INTERLOCK_RUN_ID.
    run_id: str
    # krane's pid: until the shim holds its lock it dies with krane.
    parent_pid: int
    # "$PORT" and "${PORT}" in arguments become the port.
    arguments: list[str]
    environment: dict[str, str]
    working_directory: str
    log_path: str
    # The log is at most `log_files` files of this size.
    log_file_bytes: int
    log_files: int
    # Limit of the whole tree; 0 = none.
    memory_bytes: int
    # Seconds from SIGTERM to the command until all that is left is killed.
    stop_grace_seconds: float
    # The port that the command gets, or another when somebody else has it; 0 = any, None = it needs none.
    wanted_port: int | None
    # Builds end with krane; instances do not.
    dies_with_krane: bool


class ShimState(TypedDict):
    """How it goes (state.json)."""

    run_id: str
    is_ended: bool
    # 0 = none reserved.
    port: int
    # Negative: ended by that signal. None while it runs.
    exit_code: int | None
    # krane asked for the end.
    was_stopped: bool
    # Why the shim ended it without being asked; empty otherwise.
    reason: str


class Log:
    """Appends to a file and starts the next one when it is full, keeping the newest.

    Before each line stands when it was written: nanoseconds since the epoch, and a space. No other line of the run has
    the same, so that it also names the line.
    """

    def __init__(self, path: str, file_bytes: int, files: int) -> None:
        self._path = path
        self._file_bytes = file_bytes
        self._files = files
        self._open()
        self._stamp = 0
        # A run whose shim was killed may have left half a line.
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
        """Let what comes next begin a line."""
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
    """One command from its start to its recorded exit."""

    def __init__(self, command: ShimCommand) -> None:
        self._command = command
        wanted_port = command["wanted_port"]
        self._port_reservation = None if wanted_port is None else reserve_port(wanted_port)
        self._state = ShimState(
            run_id=command["run_id"],
            is_ended=False,
            port=self._port_reservation.getsockname()[1] if self._port_reservation else 0,
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
        """Start the command and stay until nothing of it is left."""
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
        # Saved before the fork: a shim whose folder is gone, or whose disk is full, starts nothing.
        self._save()
        shim_pid = os.getpid()
        # A signal that comes before the command is there waits for it: the fork's handlers, which are the shim's, would
        # take it, and the command would never hear that it is to stop.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._pid = os.fork()
        if self._pid == 0:
            self._become_command(shim_pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._output_end)

    def _become_command(self, shim_pid: int) -> NoReturn:
        try:
            # The kernel ends the command when the shim is killed, which may have happened already.
            set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != shim_pid:
                os._exit(EXIT_CANNOT_RUN)
            os.setsid()
            for number in (*SIGNALS, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.dup2(self._output_end, 1)
            os.dup2(self._output_end, 2)
            os.chdir(self._command["working_directory"])
            port = str(self._state["port"])
            arguments = [PORT.sub(port, argument) for argument in self._command["arguments"]]
            environment = {**self._command["environment"], "INTERLOCK_RUN_ID": self._state["run_id"]}
            if self._port_reservation:
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
        """Ask what a stopped command left, and wait for it until the grace period is over."""
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
        # Not blocking: somebody outside of the tree may have been handed the pipe and hold it open.
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


def reserve_port(wanted: int) -> socket.socket:
    """Bind a loopback port, the wanted one unless somebody else has it, and never listen.

    The kernel gives it to nobody who asks for any port, while a server that sets SO_REUSEADDR, as servers do, can
    still listen on it.
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reservation.bind(("127.0.0.1", wanted))
    except OSError:
        if wanted == 0:
            raise
        reservation.bind(("127.0.0.1", 0))
    return reservation


def open_signal_pipe() -> int:
    """Turn signals into bytes on the descriptor that is returned."""
    receiver, sender = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(sender)
    for number in SIGNALS:
        signal.signal(number, ignore)
    return receiver


def ignore(number: int, frame: FrameType | None) -> None:
    """Leave a signal to the signal pipe."""


def descendants() -> list[int]:
    """The pids below this process. As a subreaper it inherits every orphan, so nothing leaves the tree."""
    found: list[int] = []
    parents = [os.getpid()]
    while parents:
        children = children_of(parents.pop())
        found += children
        parents += children
    return found


def children_of(pid: int) -> list[int]:
    """The pids started by any thread of a process; empty when it is gone."""
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
    """Kill every process of the tree that can be seen now; one that is just forking is found the next time."""
    signal_descendants(signal.SIGKILL)


def end_descendants() -> None:
    """Kill until no child is left. That is the kernel's word: it answers ECHILD."""
    while True:
        kill_descendants()
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def memory_above(limit: int) -> int:
    """The bytes that the tree uses if that is more than the limit, else 0.

    Resident size counts shared pages once per process: cheap, and never too low. Only when it is over the limit are the
    proportional sizes added up, which cost more and are exact.
    """
    pids = descendants()
    if sum(map(resident_bytes, pids)) <= limit:
        return 0
    used = sum(map(proportional_bytes, pids))
    return used if used > limit else 0


def resident_bytes(pid: int) -> int:
    """Resident size of one process; 0 when it is gone."""
    try:
        return int(read(f"/proc/{pid}/statm").split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def proportional_bytes(pid: int) -> int:
    """Resident size of one process, shared pages divided by those who share them; 0 when it is gone."""
    try:
        lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    except PermissionError:
        return resident_bytes(pid)
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def read(path: str) -> str:
    """A small text file."""
    with open(path) as file:
        return file.read()


def main(folder: str) -> None:
    """Supervise the command of one folder."""
    os.closerange(3, 1 << 20)
    set_process_option(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.chdir(folder)
    command: ShimCommand = json.loads(read("command.json"))
    if os.getppid() != command["parent_pid"]:
        return
    # A POSIX lock is not inherited by children, and asking for it names its holder. It is lost when any descriptor of
    # the file is closed: it is opened here, once, and never again.
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    shim = Shim(command)
    if not command["dies_with_krane"]:
        set_process_option(PR_SET_PDEATHSIG, 0)
    shim.run()


if __name__ == "__main__":
    main(sys.argv[1])
