from collections.abc import AsyncGenerator

import pytest

from tests.gateway.backend import Backend, running_backend
from tests.gateway.lab import Lab, lab_settings, running_lab


@pytest.fixture(scope="package")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    """One gateway for all tests that leave it as they found it: running."""
    async with running_lab(lab_settings(tmp_path_factory.mktemp("gateway"))) as lab:
        yield lab


@pytest.fixture(scope="package")
async def blue() -> AsyncGenerator[Backend]:
    """A healthy instance."""
    async with running_backend("blue") as backend:
        yield backend


@pytest.fixture(scope="package")
async def green() -> AsyncGenerator[Backend]:
    """Another one."""
    async with running_backend("green") as backend:
        yield backend
