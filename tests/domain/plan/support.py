"""Sources made of a few files, and their plans."""

import shlex
from collections.abc import Mapping

from services.domain.plan import Plan, SourceFiles, make_plan


def source(files: Mapping[str, str]) -> SourceFiles:
    """A source of text files."""
    return SourceFiles.collect(files, lambda name: files[name].encode())


def plan(files: Mapping[str, str]) -> Plan:
    """The plan of a source of text files."""
    return make_plan(source(files))


def start_of(files: Mapping[str, str]) -> str:
    """How a source is started, as people type it; empty when that is not known."""
    start = plan(files).start
    return shlex.join(start.arguments) if start else ""


def installs(files: Mapping[str, str]) -> list[str]:
    """The steps that install, as people type them."""
    return [shlex.join(step.arguments) for step in plan(files).install]


def builds(files: Mapping[str, str]) -> list[str]:
    """The steps that build, as people type them."""
    return [shlex.join(step.arguments) for step in plan(files).build]
