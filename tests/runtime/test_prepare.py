"""What parts find when they are started on their own."""

import json
from pathlib import Path

import pytest

from services.config import RestateSettings, Settings
from services.domain.errors import Invalid
from services.runtime.prepare import IDENTITY_KEY_FILE, prepare


async def test_a_data_directory_is_prepared_and_stays_so(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, restate=RestateSettings(identity_key_file=tmp_path / IDENTITY_KEY_FILE))

    await prepare(settings)
    first = settings.restate.read_identity_key()
    await prepare(settings)

    assert (settings.restate.read_identity_key() or "").startswith("publickeyv1_")
    assert settings.restate.read_identity_key() == first
    assert json.loads((tmp_path / "gateway" / "gw-1" / "bootstrap.json").read_text())["node"]["id"] == "gw-1"


async def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "restate-identity.pem").write_text("not a key")

    with pytest.raises(Invalid, match="remove it"):
        await prepare(Settings(data_dir=tmp_path))


async def test_an_endpoint_does_not_start_without_the_key_that_it_was_promised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RestateSettings(identity_key_file=tmp_path / IDENTITY_KEY_FILE).read_identity_key()
