"""What only the docker backend promises."""

import pytest

from tests.krane.installation import Krane


@pytest.fixture(scope="session")
def krane(docker_krane: Krane) -> Krane:
    """A krane on the docker backend."""
    return docker_krane
