"""Runs instances as containers of the Docker Engine on this machine.

Theory of operation. The engine is the truth: everything that a new krane needs to take over is kept in it.

    labels      what a container belongs to, and the immutable record of its deployment: spec, image id, port in it
    the name    "interlock-<installation>-<deployment id>-<index>" and a mark: what krane wants of the container. A
                rename is the only change that the engine makes atomically and keeps, so krane stores intents in names
    the state   running, or how it ended

The first container of a deployment holds its record: it is created first and removed last, and its mark tells what is
wanted of the whole deployment. A container without a mark should run, so if it ended, it ended by itself; krane marks a
container before it ends it. If krane's own folder is lost, only the logs of deleted deployments and the restart counts
of instances are lost.

krane restarts containers, not the engine: the engine's restart policy does not know health, nor that an instance has
failed if it was never healthy. If the engine is down, calls raise Unavailable, and supervision continues as soon as the
engine is back.
"""
