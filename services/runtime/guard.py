"""A script that runs a command which dies with its supervisor. Every part is started through it.

    python guard.py <supervisor pid> <command> [<argument>…]

The kernel kills the command when the *thread* that started it ends, so start parts from the main thread. This works
on Linux only; elsewhere the parts go on running if the supervisor is killed with SIGKILL.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(supervisor: int) -> None:
    """Let the kernel kill this process when its parent ends; exits if the parent is no longer `supervisor`."""
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("guard: the kernel refused PR_SET_PDEATHSIG")
    # The supervisor may have died before prctl took effect.
    if os.getppid() != supervisor:
        sys.exit(f"guard: the supervisor (pid {supervisor}) is gone")


if __name__ == "__main__":
    if sys.platform == "linux":
        die_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
