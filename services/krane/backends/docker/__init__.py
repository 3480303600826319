"""Instances as containers of a Docker Engine on this machine.

Theory of operation. The engine is the truth: nothing that krane must know to take over is kept elsewhere.

    labels      what a container is part of, and the immutable record of its deployment: spec, image id, port in it
    the name    "interlock-<installation>-<deployment id>-<index>" and a mark: what krane wants of it. A rename is the
                one thing that the engine changes at once and remembers, so it is how krane writes down an intent
    the state   running, or how it ended

The first container of a deployment is its record: it is created first, removed last, and its mark says what is wanted
of the whole deployment. Without a mark a run is wanted, so one that ended did so by itself; a container that krane ends
is marked before it is asked. Losing krane's own folder loses the logs of deleted deployments, and how often an
instance was restarted.

krane restarts what ends, not the engine: its policy knows neither health nor that an instance which never became
healthy has failed. The engine being away is weather: calls answer Unavailable, and instances are looked after again as
soon as it is back.
"""
