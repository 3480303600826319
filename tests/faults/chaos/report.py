"""Prints the result of a run for people."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tests.faults.chaos.checker import Violation
from tests.faults.chaos.checker.probes import excused_windows, is_in_envoy_window
from tests.faults.chaos.history import History

# Number of violations that are printed in full. The history has all.
SHOWN = 20


def report(console: Console, history: History, violations: Sequence[Violation]) -> None:
    """Print the result."""
    console.print(f"seed {history.seed}, {history.seconds / 60:.1f} minutes, {_rest(history)}")
    console.print(Group(*_tables(history, violations)))
    for violation in islice(violations, SHOWN):
        console.print(Text(f"\n{violation.promise}: {violation.message}", style="bold red"))
        for evidence in violation.evidence:
            console.print(Text(f"  {str(evidence)[:1000]}"))
    verdict = f"violations: {len(violations)}" if violations else "no violation"
    console.print(verdict, style="bold red" if violations else "bold green")


def _rest(history: History) -> str:
    if history.rest is None or history.rest.settled_after is None:
        return "did not come to rest"
    return f"at rest after {history.rest.settled_after:.1f} s"


def _tables(history: History, violations: Sequence[Violation]) -> Iterator[RenderableType]:
    operations = Table("operation", "outcome", "n", title=f"{len(history.operations)} operations")
    for (act, outcome), number in sorted(history.count_operations().items()):
        operations.add_row(act, outcome, str(number))
    yield operations
    counted = history.count_faults()
    faults = Table("fault", "part", "n", title=f"{counted.total()} faults")
    for (blow, part), number in sorted(counted.items()):
        faults.add_row(blow, part, str(number))
    yield faults
    windows = excused_windows(history)
    failed = [probe for probe in history.probes if probe.status != HTTPStatus.OK]
    in_windows = sum(is_in_envoy_window(probe, windows) for probe in failed)
    broken = sum(violation.promise == "I3" for violation in violations)
    probes = Table("requests", "failed: Envoy down", "failed: app killed", "failed without excuse", title="probes")
    probes.add_row(*map(str, (len(history.probes), in_windows, len(failed) - in_windows - broken, broken)))
    yield probes
