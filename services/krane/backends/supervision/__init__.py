"""Commands as supervised local processes (Linux). They outlive krane, and the next krane finds them.

Theory of operation. Every command runs under its own shim, a small process that leads its own session. The shim owns
what must outlive krane: the lock of its port, the log pipe, the memory limit, the exit code and the ending of the
process tree. krane and the shim share one folder per command:

    command.json   what to run, written by krane       (run_id tells one run from the next)
    state.json     state of the run, written by the shim
    lock           held by the shim while it lives: from it the kernel tells whether the shim runs, and its pid

Until a shim holds its lock, it dies with krane; after that, a new krane finds it by the lock. So a run is always either
known or not there, and a SIGKILL of krane loses nothing. If a shim itself is killed, the kernel kills its command, and
krane kills every other process that carries the run's id in its environment.
"""
