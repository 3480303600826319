"""Finds listening TCP sockets in /proc: those of a network namespace, or of some processes."""

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from services.domain.listening import Listener

LISTENING = "0A"
TABLES = ("tcp", "tcp6")
# Columns of /proc/net/tcp.
LOCAL_ADDRESS, STATE, INODE = 1, 3, 9
WORD_BYTES = 4


def listeners_of_namespace(pid: int) -> list[Listener]:
    """Return the listening sockets of a process's network namespace; empty if they cannot be read."""
    return list(_listening(pid).values())


def listeners_of_processes(pids: Iterable[int]) -> list[Listener]:
    """Return the listening sockets that processes of this network namespace hold open."""
    held = {inode for pid in pids for inode in _inodes(pid)}
    return [listener for inode, listener in _listening(os.getpid()).items() if inode in held]


def read_listening(table: str) -> dict[int, Listener]:
    """Return the listening sockets of a table like /proc/net/tcp, by inode."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[INODE]): _listener(row[LOCAL_ADDRESS]) for row in rows if row[STATE] == LISTENING}


def _listening(pid: int) -> dict[int, Listener]:
    found: dict[int, Listener] = {}
    for name in TABLES:
        # The process may have ended, or IPv6 may be off.
        with contextlib.suppress(OSError):
            found |= read_listening(Path(f"/proc/{pid}/net/{name}").read_text())
    return found


def _listener(address: str) -> Listener:
    host, _, port = address.partition(":")
    raw = bytes.fromhex(host)
    # The kernel prints each word of an address in the byte order of the machine.
    words = [raw[start : start + WORD_BYTES] for start in range(0, len(raw), WORD_BYTES)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return Listener(str(ipaddress.ip_address(packed)), int(port, 16))


def _inodes(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                kind, _, inode = str(descriptor.readlink()).partition(":")
                if kind == "socket":
                    found.append(int(inode.strip("[]")))
    return found
