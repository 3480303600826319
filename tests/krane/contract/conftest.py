"""Every test here is run on each backend: one set of promises."""

import pytest

from tests.krane.installation import Kind, Krane

BACKENDS = ["process", "docker"]


@pytest.fixture(scope="session", params=BACKENDS)
def krane(request: pytest.FixtureRequest) -> Krane:
    """A krane on each backend in turn."""
    return request.getfixturevalue(f"{request.param}_krane")


@pytest.fixture(scope="session", params=BACKENDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each backend in turn, for tests that run a krane of their own."""
    return request.getfixturevalue(f"{request.param}_kind")
