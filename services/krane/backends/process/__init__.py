"""Instances and builds as supervised local processes (Linux).

Each instance, task and build is one command under a shim (see `supervision`). krane keeps a record of each deployment
on disk, and writes it before it starts or stops anything.
"""
