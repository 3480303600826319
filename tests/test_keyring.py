"""Secrets at rest."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.domain.errors import Invalid, PreconditionFailed
from services.keyring import FILE_NAME, Keyring, Sealed


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A keyring with one key."""
    keyring = Keyring(tmp_path / "secrets")
    keyring.ensure()
    return keyring


def test_only_its_owner_can_read_the_key_file(keyring: Keyring, tmp_path: Path) -> None:
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_what_was_sealed_opens_and_does_not_show_the_value(keyring: Keyring) -> None:
    sealed = keyring.seal("hunter2", "secret A")

    assert keyring.open(sealed, "secret A") == "hunter2"
    assert b"hunter2" not in sealed.ciphertext
    assert keyring.seal("hunter2", "secret A").ciphertext != sealed.ciphertext


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    keyrings = [Keyring(tmp_path / "secrets") for _ in range(8)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(Keyring.ensure, keyrings))

    assert [path.name for path in (tmp_path / "secrets").iterdir()] == [FILE_NAME]
    assert keyrings[0].open(keyrings[7].seal("v", "c"), "c") == "v"


def test_a_key_that_is_appended_seals_from_then_on_and_the_older_one_still_opens(
    keyring: Keyring, tmp_path: Path
) -> None:
    before = keyring.seal("old", "c")
    with (tmp_path / "secrets" / FILE_NAME).open("a") as file:
        file.write(f"k_second {base64.b64encode(bytes(32)).decode()}\n")

    after = keyring.seal("new", "c")

    assert after.key_id == "k_second"
    assert (keyring.open(before, "c"), keyring.open(after, "c")) == ("old", "new")


def test_a_ciphertext_in_another_secrets_place_does_not_open(keyring: Keyring) -> None:
    sealed = keyring.seal("v", "secret A")

    with pytest.raises(PreconditionFailed, match="secret B was damaged or replaced"):
        keyring.open(sealed, "secret B")


def test_a_lost_key_is_named(keyring: Keyring) -> None:
    with pytest.raises(PreconditionFailed, match="key k_gone is not in"):
        keyring.open(Sealed(key_id="k_gone", ciphertext=b"?" * 40), "c")


@pytest.mark.parametrize("content", ["", "k_1\n", "k_1 not-base64!\n", "k_1 c2hvcnQ=\n"])
def test_a_damaged_key_file_is_refused_with_advice(keyring: Keyring, tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets" / FILE_NAME).write_text(content)

    with pytest.raises(Invalid, match="restore it from its backup"):
        keyring.seal("v", "c")
