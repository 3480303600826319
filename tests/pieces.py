"""Assign the tests to the workers of `make test`: in pieces, each of which one worker runs in order.

Tests that share an installation are one piece, usually a folder. Tests that look at all processes of the machine, or at
all containers of the Docker Engine, are one piece too, because they must not run at the same time.
"""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

# The piece of tests that look at the whole machine.
KRANE = "krane"
OF_KRANE = (
    "tests/krane/",
    "tests/compose/",
    "tests/end_to_end/test_demo.py",
    "tests/end_to_end/test_docker.py",
    "tests/end_to_end/test_registry.py",
)
# Files with their own installation.
ALONE = (
    "tests/end_to_end/test_reconcile.py",
    "tests/faults/test_chaos.py",
    "tests/faults/test_frozen_endpoint.py",
    "tests/faults/test_krane_weather.py",
)
# tests/end_to_end has two installations.
REPLAYED = "end_to_end, replayed"
# Long pieces start first, so that all workers end at about the same time.
LONGEST_FIRST = (KRANE, "end_to_end", "faults", REPLAYED, *ALONE, "ctrl", "runtime", "gateway")


def piece_of(test: str) -> str:
    """Return the piece of a test, given by its id."""
    file = test.partition("::")[0]
    if file.startswith(OF_KRANE):
        return KRANE
    if file in ALONE:
        return file
    folder = PurePosixPath(file).parts[1]
    return REPLAYED if folder == "end_to_end" and test.endswith("always-replay]") else folder


def place_of(test: str) -> int:
    """Return the sort key of a test; tests with a lower one run earlier."""
    piece = piece_of(test)
    return LONGEST_FIRST.index(piece) if piece in LONGEST_FIRST else len(LONGEST_FIRST)


class InPieces(LoadScopeScheduling):
    """Gives a worker its next piece when it has one test left."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)
