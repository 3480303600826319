"""Every test here is run on each backend that has what the test needs: one set of promises.

`docs/backends.md` says how to plug a backend in.
"""

from enum import StrEnum

import pytest

from tests.krane.installation import Kind, Krane


class Needs(StrEnum):
    """What a backend may lack; a test names it as `pytest.mark.needs(Needs.…)`."""

    BUILDS = "builds"
    # krane runs as a process of its own, and another one finds what it left.
    RESTARTS = "restarts"
    # What is kept is in files of krane's data directory.
    FILES = "files"


HOSTED = frozenset(Needs)
BACKENDS = {"process": HOSTED, "docker": HOSTED, "memory": frozenset[Needs]()}
# The docker backend once more, with its other builder.
BUILDERS = {"process": HOSTED, "docker": HOSTED, "classic": HOSTED}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the backends that have what it needs."""
    is_of_builds = any(marker.name == "builders" for marker in metafunc.definition.iter_markers())
    needed = {need for marker in metafunc.definition.iter_markers("needs") for need in marker.args}
    for fixture in ("krane", "kind"):
        if fixture in metafunc.fixturenames:
            able = [name for name, has in (BUILDERS if is_of_builds else BACKENDS).items() if needed <= has]
            metafunc.parametrize(fixture, able, indirect=True, scope="session")


@pytest.fixture(scope="session")
def krane(request: pytest.FixtureRequest) -> Krane:
    """A krane on each backend in turn."""
    return request.getfixturevalue(f"{request.param}_krane")


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each backend in turn, for tests that run a krane of their own."""
    return request.getfixturevalue(f"{request.param}_kind")
