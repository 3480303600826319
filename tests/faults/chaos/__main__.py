"""`make chaos SEED=… MINUTES=…`: runs, prints the result, writes the history. Exit code 1 if a promise was broken."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.end_to_end.stack import Stack
from tests.faults.chaos.checker import check
from tests.faults.chaos.report import report
from tests.faults.chaos.run import SETTINGS, run


def main() -> int:
    """Run once."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides what happens and when")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long operations and faults go on")
    parser.add_argument("--folder", type=Path, help="where history, data and logs stay; default: a new temporary one")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="interlock-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(folder / "data", SETTINGS)
    stack.start()
    try:
        history = asyncio.run(run(stack, folder / "sources", options.seed, options.minutes * 60))
    finally:
        stack.stop()
    history.write(folder / "history.jsonl")
    violations = check(history)
    console = Console(file=sys.stdout)
    report(console, history, violations)
    console.print(f"history: {folder / 'history.jsonl'}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
