"""Run as a script in front of every part: becomes the given command, which dies with its supervisor.

    python guard.py <supervisor pid> <command> [<argument>…]

The kernel kills the command when the thread that started it ends, so parts are started from the main thread. Only
Linux offers this; elsewhere a supervisor that is killed outright leaves its parts behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(supervisor: int) -> None:
    """Ask the kernel to kill this process when its parent ends; exits when that is no longer `supervisor`."""
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("guard: the kernel refused PR_SET_PDEATHSIG")
    # The supervisor may have died before the kernel was asked.
    if os.getppid() != supervisor:
        sys.exit(f"guard: the supervisor (pid {supervisor}) is gone")


if __name__ == "__main__":
    if sys.platform == "linux":
        die_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
