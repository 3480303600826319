"""What installers keep between builds stays within its size."""

from datetime import timedelta
from pathlib import Path

from services.krane.backends.shared.folders import Folders
from services.krane.client import KraneClient
from services.krane.server import running
from tests.krane.installation import ProcessKind


async def test_cache_goes_when_it_is_too_large(process_kind: ProcessKind, tmp_path: Path) -> None:
    settings = process_kind.settings.model_copy(update={"build_cache_mib": 1})
    # As a krane leaves it that was killed over its removal.
    aside = Folders.under(tmp_path).cache.with_name("cache.old") / "uv"
    aside.mkdir(parents=True)
    for size, stays in ((1 << 20, True), ((1 << 20) + 1, False)):
        wheel = Folders.under(tmp_path).cache / "uv" / "app.whl"
        wheel.parent.mkdir(parents=True, exist_ok=True)
        wheel.write_bytes(bytes(size))
        async with running(tmp_path, settings) as address, KraneClient(address) as client:
            await client.prune_images([], timedelta(hours=1))

        assert wheel.exists() == stays
        assert (wheel.parents[1]).exists() == stays
        assert aside.exists() == stays
