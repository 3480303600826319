"""Instances and builds as supervised local processes (Linux).

Each instance, task and build is one command under a shim (see `supervision`). krane owns what is wanted: deployment
records on disk, written before anything is started or stopped.
"""
