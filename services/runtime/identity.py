"""The key with which Restate signs its requests, so that the endpoint rejects requests from other processes."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from services.domain.errors import Invalid
from services.files import write_atomically

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestIdentity:
    """The file of the private key, for Restate, and the public key ("publickeyv1_…"), for the endpoint."""

    private_key_file: Path
    public_key: str


def ensure_identity(secrets_dir: Path) -> RequestIdentity:
    """Read the installation's key, creating it on first use; raises Invalid if the file holds no such key."""
    path = secrets_dir / "restate-identity.pem"
    if not path.exists():
        secrets_dir.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, _new_private_key())
    return RequestIdentity(private_key_file=path, public_key=_public_key(path))


def _new_private_key() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_key(path: Path) -> str:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise Invalid(f"{path} holds no private key; remove it and start again to create a new one") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(f"{path} holds a key that is not ed25519; remove it and start again to create a new one")
    return f"publickeyv1_{_base58(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}"


def _base58(raw: bytes) -> str:
    number = int.from_bytes(raw)
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    leading_zeros = len(raw) - len(raw.lstrip(b"\0"))
    return BASE58[0] * leading_zeros + digits
