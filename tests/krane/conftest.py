"""One krane in this process for most tests, with one image whose behaviour the deployment id selects."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.config import KraneSettings
from services.krane.backends.opening import stop_all
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import DeploymentSpec
from tests.krane.support import build, pack_folder, shims_of, spec

APP = Path(__file__).parent / "app"
SETTINGS = KraneSettings(port=0, stop_grace_seconds=1.0, max_source_bytes=1024 * 1024, build_timeout_seconds=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Krane:
    """A running krane."""

    client: KraneClient
    # host:port
    address: str
    data_dir: Path
    # The badly behaved app of tests/krane/app.
    image: str

    async def create(self, deployment_id: str, *, replicas: int = 1, memory_mib: int = 128) -> DeploymentSpec:
        """Start the test app; the part of the id before "-" is its behaviour."""
        wanted = spec(deployment_id, self.image, replicas=replicas, memory_mib=memory_mib)
        await self.client.create(wanted)
        return wanted


@pytest.fixture(scope="session")
async def krane(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Krane]:
    """A krane that serves over real gRPC and leaves no process behind."""
    data_dir = tmp_path_factory.mktemp("krane")
    async with running(data_dir, SETTINGS) as address, KraneClient(address) as client:
        built = await build(client, "test-app", pack_folder(APP))
        assert built.image, built
        yield Krane(client=client, address=address, data_dir=data_dir, image=built.image)
    await stop_all(data_dir)
    assert shims_of(data_dir) == set()
