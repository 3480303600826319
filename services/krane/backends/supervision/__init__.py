"""Commands as supervised local processes (Linux). They outlive krane, and the next krane finds them.

Theory of operation. Every command runs under its own shim, a small process that leads its own session. The shim owns
what must outlive krane: the port reservation, the log pipe, the memory limit, the exit code and the right to end the
whole process tree. The two meet in one folder per command:

    command.json   what to run, written by krane       (run_id tells one run from the next)
    state.json     how it goes, written by the shim
    lock           held by the shim while it lives: the kernel says whether it runs, and as which pid

Until a shim holds its lock it dies with krane; from then on a new krane finds it through the lock. So at any moment a
run is either known or not there, and a SIGKILL of krane loses nothing. When a shim itself is killed, the kernel kills
its command, and krane sweeps up whatever else carries the run's id in its environment.
"""
