"""Encrypt secrets at rest, with keys that only this installation has.

The key file has one line per key: "<key id> <key>". Encrypted values name their key. To rotate, append a line: the
last key encrypts new values, and the others still decrypt older ones. Without the file no secret can be read: back it
up, but keep it apart from the backup of the database.
"""

import base64
import binascii
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.domain.errors import Invalid, PreconditionFailed

FILE_NAME: Final = "secret-keys"
KEY_BITS: Final = 256
NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An encrypted value, and the id of the key that decrypts it."""

    key_id: str
    # The nonce, followed by the value encrypted with AES-256-GCM.
    ciphertext: bytes


class Keyring:
    """The keys of an installation. The file is read at each use, so an appended key applies at once."""

    def __init__(self, secrets_dir: Path) -> None:
        self._file = secrets_dir / FILE_NAME

    def ensure(self) -> None:
        """Create the file with a first key, unless it exists. Safe when several processes do it at once."""
        if self._file.exists():
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._file.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
        key = base64.b64encode(AESGCM.generate_key(KEY_BITS)).decode()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"k_{secrets.token_hex(4)} {key}\n")
            file.flush()
            os.fsync(file.fileno())
        # Link instead of rename: a second process must not replace a key that is already in use.
        with suppress(FileExistsError):
            self._file.hardlink_to(fresh)
        fresh.unlink()

    def seal(self, value: str, context: str) -> Sealed:
        """Encrypt a value; only the same context can decrypt it. Raises Invalid if the file is damaged."""
        key_id, key = list(self._keys().items())[-1]
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(key_id=key_id, ciphertext=nonce + AESGCM(key).encrypt(nonce, value.encode(), context.encode()))

    def open(self, sealed: Sealed, context: str) -> str:
        """Decrypt. Raises PreconditionFailed if the key is missing, or the value or context is not the sealed one."""
        key = self._keys().get(sealed.key_id)
        if key is None:
            raise PreconditionFailed(f"key {sealed.key_id} is not in {self._file}; restore that file from its backup")
        nonce, ciphertext = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, context.encode()).decode()
        except InvalidTag as error:
            raise PreconditionFailed(f"{context} was damaged or replaced in the database; set it again") from error

    def _keys(self) -> dict[str, bytes]:
        try:
            lines = [line.split() for line in self._file.read_text().splitlines()]
            keys = {key_id: base64.b64decode(key, validate=True) for key_id, key in lines}
        except FileNotFoundError as error:
            raise PreconditionFailed(f"{self._file} does not exist; restore it from its backup") from error
        except (ValueError, binascii.Error) as error:
            raise Invalid(f"{self._file} is damaged; restore it from its backup") from error
        if not keys or any(len(key) * 8 != KEY_BITS for key in keys.values()):
            raise Invalid(f"{self._file} holds no usable key; restore it from its backup")
        return keys
