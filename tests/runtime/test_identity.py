"""The key with which Restate signs its requests."""

from pathlib import Path

import pytest

from services.domain.errors import Invalid
from services.runtime.identity import ensure_identity

# A known pair: the private key of 32 bytes 1, and its public key as Restate 1.7.12 prints it.
KNOWN_PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB
-----END PRIVATE KEY-----
"""


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = ensure_identity(tmp_path / "secrets")
    second = ensure_identity(tmp_path / "secrets")

    assert first == second
    assert first.private_key_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert ensure_identity(tmp_path / "a").public_key != ensure_identity(tmp_path / "b").public_key


def test_the_public_key_is_written_as_restate_writes_it(tmp_path: Path) -> None:
    (tmp_path / "restate-identity.pem").write_text(KNOWN_PEM)

    assert ensure_identity(tmp_path).public_key == "publickeyv1_AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9"


@pytest.mark.parametrize("content", ["", "not a key"])
def test_a_damaged_key_is_refused_with_advice(tmp_path: Path, content: str) -> None:
    (tmp_path / "restate-identity.pem").write_text(content)

    with pytest.raises(Invalid, match="remove it"):
        ensure_identity(tmp_path)
