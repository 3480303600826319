"""The plan as lines of text."""

import shlex
from collections.abc import Iterable

from services.domain.plan.model import Plan, PlanLine, Step

Row = tuple[str, str, str]


def plan_rows(plan: Plan) -> tuple[Row, ...]:
    """One row for each line of the plan: label, value, source (empty for a warning)."""
    return tuple(_rows(plan))


def plan_lines(plan: Plan) -> tuple[str, ...]:
    """The rows as lines of text, in columns."""
    rows = plan_rows(plan)
    width = max(len(what) for what, _, _ in rows)
    return tuple(f"{what:<{width}}  {how}" + (f"  ({source})" if source else "") for what, how, source in rows)


def _rows(plan: Plan) -> Iterable[Row]:
    yield "language", plan.language.value, plan.language.source
    if plan.version:
        yield "version", plan.version.request, plan.version.source
    yield from _line("packages by", plan.package_manager)
    yield from (("install", _step(step), step.source) for step in plan.install)
    yield from (("build", _step(step), step.source) for step in plan.build)
    if plan.start:
        yield "start", _noted(shlex.join(plan.start.arguments), plan.start.note), plan.start.source
    if plan.static:
        page = ", and index.html for all other paths" if plan.static.is_single_page else ""
        yield "serve", f"the files in {plan.static.folder}{page}", plan.static.source
    if plan.release:
        yield "release", shlex.join(plan.release.arguments), plan.release.source
    yield from _line("port", plan.port)
    yield from _line("health", plan.health)
    yield from (("not run", f"{line.name}: {line.command}", "Procfile") for line in plan.not_run)
    yield from (("warning", warning, "") for warning in plan.warnings)


def _line(what: str, line: PlanLine | None) -> Iterable[Row]:
    return [(what, line.value, line.source)] if line else []


def _step(step: Step) -> str:
    return _noted(shlex.join(step.arguments), step.note)


def _noted(text: str, note: str) -> str:
    return f"{text}  # {note}" if note else text
