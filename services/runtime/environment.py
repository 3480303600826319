"""Build the environment of a part: a few common variables and the effective settings, nothing else."""

import json
import os
from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel

from services.config import Settings

PREFIX = "INTERLOCK_"
RESTATE_PREFIX = "RESTATE_"
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def bare_environment(*also: str) -> dict[str, str]:
    """Return the environment of a foreign program: the common variables and those named in `also`."""
    return {name: os.environ[name] for name in (*INHERITED, *also) if name in os.environ}


def restate_environment() -> dict[str, str]:
    """Return the environment of restate-server: the common variables and the user's RESTATE_* variables."""
    return bare_environment() | {name: value for name, value in os.environ.items() if name.startswith(RESTATE_PREFIX)}


def part_environment(settings: Settings, *also: str) -> dict[str, str]:
    """Return the environment of our own parts: all `settings`, the user's INTERLOCK_* variables, those in `also`."""
    users = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return bare_environment(*also) | users | dict(_variables(settings, PREFIX))


def _variables(settings: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in settings:
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            yield from _variables(value, f"{variable}__")
        elif isinstance(value, tuple):
            # pydantic-settings reads tuples as JSON.
            yield variable, json.dumps([str(item) for item in cast("tuple[object, ...]", value)])
        elif value is not None:
            yield variable, str(value)
