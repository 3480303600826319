"""Image names and the registries that they belong to."""

import re
from typing import Final

from services.domain.errors import Invalid

DOCKER_HUB: Final = "docker.io"
MAX_USERNAME: Final = 255
# Bytes of UTF-8. The longest tokens of registries are files of about 3 KiB.
MAX_PASSWORD_BYTES: Final = 16 * 1024

_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
# Images in no registry: "artifact@sha256:<hex>" of the process backend, "sha256:<hex>" of a Docker Engine.
_OWN = re.compile(r"(?:artifact@)?sha256:[0-9a-f]{64}")
_PINNED = re.compile(r"(?:.*@)?sha256:[0-9a-f]{64}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[1-9][0-9]{{0,4}})?")
_ADDRESS = re.compile(r"(?:https?://)?(?P<host>[^/]*)(?:/v[12])?/?", re.IGNORECASE)


def is_pinned(image: str) -> bool:
    """Return whether a name holds a digest, so that it always means the same image."""
    return _PINNED.fullmatch(image) is not None


def registry_of(image: str) -> str | None:
    """Return the host[:port] of an image's registry; None for an image that a backend built."""
    if _OWN.fullmatch(image):
        return None
    first, separator, _ = image.partition("/")
    return _canonical(first) if separator and _is_host(first) else DOCKER_HUB


def check_host(address: str) -> str:
    """Return the host[:port] of a registry or git server as `registry_of` does; raises Invalid if it is none.

    Accepts addresses with a scheme and path, such as "https://index.docker.io/v1/".
    """
    match = _ADDRESS.fullmatch(address) if len(address) <= 255 else None
    host = _canonical(match["host"]) if match else ""
    if not is_registry(host):
        raise Invalid(
            f"{address[:80]!r} is not a host: use host[:port] as in its image names or repository URLs, "
            f"for example ghcr.io, github.com, 127.0.0.1:5000 or {DOCKER_HUB}"
        )
    return host


def is_registry(host: str) -> bool:
    """Return whether a host[:port] has the form that `registry_of` and `check_host` return."""
    return _HOST.fullmatch(host) is not None and _is_host(host) and host == _canonical(host)


def check_login(username: str, password: str) -> None:
    """Raise Invalid unless both are usable as a login. The message never holds the password."""
    if not username or len(username) > MAX_USERNAME or ":" in username or not username.isprintable():
        raise Invalid(f"username is not usable: send 1 to {MAX_USERNAME} printable characters without ':'")
    if not password or len(password.encode()) > MAX_PASSWORD_BYTES or "\0" in password:
        raise Invalid(f"password is not usable: send 1 to {MAX_PASSWORD_BYTES} bytes without a NUL character")


def _is_host(name: str) -> bool:
    # Docker's rule: "team/app" is on Docker Hub, "localhost/app" and "team.io/app" are not.
    return "." in name or ":" in name or name.lower() == "localhost"


def _canonical(host: str) -> str:
    host = host.lower()
    return DOCKER_HUB if host in _HUB_ALIASES else host
