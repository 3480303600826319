"""How `make test` shares the suite out among its workers: in pieces, of which each is run by one of them, in order.

What shares an installation is one piece, which mostly is a folder. One piece is also all that looks at every process of
this machine, or at what its Docker Engine holds: nothing else that does so may go on at that time.
"""

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

# Looks at the whole machine.
KRANE = "krane"
OF_KRANE = (
    "tests/krane/",
    "tests/compose/",
    "tests/end_to_end/test_demo.py",
    "tests/end_to_end/test_docker.py",
    "tests/end_to_end/test_registry.py",
)
# Each has an installation of its own.
ALONE = (
    "tests/end_to_end/test_reconcile.py",
    "tests/faults/test_chaos.py",
    "tests/faults/test_frozen_endpoint.py",
    "tests/faults/test_krane_weather.py",
)
# tests/end_to_end has two installations.
REPLAYED = "end_to_end, replayed"
# Whatever begins last should end soon.
LONGEST_FIRST = (KRANE, "end_to_end", "faults", REPLAYED, *ALONE, "ctrl", "runtime", "gateway")


def piece_of(test: str) -> str:
    """The piece that a test belongs to, by the test's id."""
    file = test.partition("::")[0]
    if file.startswith(OF_KRANE):
        return KRANE
    if file in ALONE:
        return file
    folder = PurePosixPath(file).parts[1]
    return REPLAYED if folder == "end_to_end" and test.endswith("always-replay]") else folder


def place_of(test: str) -> int:
    """Where among all tests one is to be run: the smaller, the earlier."""
    piece = piece_of(test)
    return LONGEST_FIRST.index(piece) if piece in LONGEST_FIRST else len(LONGEST_FIRST)


class InPieces(LoadScopeScheduling):
    """Gives a worker the next piece when its last but one test is over."""

    def _split_scope(self, nodeid: str) -> str:
        return piece_of(nodeid)
