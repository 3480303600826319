"""Plans the build of an unpacked source, and what its image stores about the app."""

import os
from dataclasses import replace
from pathlib import Path

from services.domain.plan import MAX_TEXT_BYTES, Plan, SourceFiles, make_plan
from services.krane.backends.building.app_config import FILES, AppConfig, parse_app_config, planned_command, with_host

# The address that instances listen on: the gateway runs on the same machine.
HOST = "127.0.0.1"
STATIC_SERVER = "static_server.py"


def plan_app(app: Path) -> tuple[Plan, AppConfig]:
    """Read an app's folder. Raises Invalid with what to correct. The config says if a start command is missing."""
    config = parse_app_config({name: (app / name).read_bytes() for name in FILES if (app / name).is_file()})
    plan = make_plan(read_source(app))
    # The static server lies beside the app's folder.
    command = with_host(planned_command(plan, f"../{STATIC_SERVER}"), HOST)
    return plan, replace(config, command=command, missing_start=plan.missing_start)


def read_source(folder: Path) -> SourceFiles:
    """Return the files of a folder for the planner. A link is a file, by its name."""
    names: list[str] = []
    for parent, _, files in os.walk(folder):
        below = Path(parent).relative_to(folder)
        names += [(below / name).as_posix() for name in files]
    return SourceFiles.collect(names, lambda name: _read(folder / name))


def _read(file: Path) -> bytes:
    if file.is_symlink() and not file.resolve().is_file():
        return b""
    with file.open("rb") as content:
        return content.read(MAX_TEXT_BYTES)
