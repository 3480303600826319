"""Find the project that a command means when no option names it."""

import os
from collections.abc import Mapping
from pathlib import Path

import typer

from services.cli.git import repository_of
from services.domain.errors import Invalid
from services.domain.plan.interlock_toml import INTERLOCK_TOML, read_project

VARIABLE = "INTERLOCK_PROJECT"
# One line; for people who do not want the project's name in the repository.
FILE = Path(".interlock") / "project"


def find_project(folder: Path, environ: Mapping[str, str]) -> str:
    """Return the project of `folder`; empty if nothing names it.

    The variable INTERLOCK_PROJECT comes first. Then, from the folder up to the top of its git repository, `project` in
    interlock.toml, then the file .interlock/project. Raises Invalid if such a file cannot be read.
    """
    if named := environ.get(VARIABLE, ""):
        return named
    here = folder.resolve()
    top = repository_of(here) or here
    for parent in (here, *here.parents):
        if found := read_project(_text(parent / INTERLOCK_TOML)) or _text(parent / FILE).strip():
            return found
        if parent == top:
            break
    return ""


def default_project() -> str:
    """Return the project of the current folder; raises BadParameter, which says how to name one."""
    project = find_project(Path.cwd(), os.environ)
    if not project:
        raise no_project()
    return project


def no_project() -> typer.BadParameter:
    """Return the error for a command that needs a project and finds none."""
    return typer.BadParameter(
        f'no project is named: use -p PROJECT, set {VARIABLE}, or write project = "PROJECT" at the top of '
        f"{INTERLOCK_TOML}"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    except (OSError, ValueError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error
