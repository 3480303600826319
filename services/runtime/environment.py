"""The environment of a part: a few variables that every program expects, and the effective settings. Nothing else."""

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
    """What programs that know nothing of interlock get: the common variables, and `also` those."""
    return {name: os.environ[name] for name in (*INHERITED, *also) if name in os.environ}


def restate_environment() -> dict[str, str]:
    """What restate-server gets: the common variables, and what the user says about Restate beyond restate.toml."""
    return bare_environment() | {name: value for name, value in os.environ.items() if name.startswith(RESTATE_PREFIX)}


def part_environment(settings: Settings, *also: str) -> dict[str, str]:
    """What our own parts get: all of `settings`, the user's INTERLOCK_* variables, and `also` those."""
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return bare_environment(*also) | given | dict(_variables(settings, PREFIX))


def _variables(settings: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in settings:
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            yield from _variables(value, f"{variable}__")
        elif isinstance(value, tuple):
            # As pydantic-settings reads it.
            yield variable, json.dumps([str(item) for item in cast("tuple[object, ...]", value)])
        elif value is not None:
            yield variable, str(value)
