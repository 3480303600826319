"""Formats credentials as the headers in which the engine takes them for calls to a registry."""

import base64
import json
from collections.abc import Iterable

from services.domain.errors import Invalid
from services.domain.images import DOCKER_HUB, registry_of
from services.krane.types import HostCredential

# The engine's own name for Docker Hub.
_HUB_ADDRESS = "https://index.docker.io/v1/"


def registry_auth(image: str, credential: HostCredential | None) -> str:
    """Return X-Registry-Auth for a call about an image; empty = anonymous.

    Raises Invalid if the credential is for another registry: the engine would send it to the image's registry.
    """
    if credential is None:
        return ""
    if credential.host != registry_of(image):
        raise Invalid(f"the credential is for {credential.host}, but image {image[:120]} is in another registry")
    return _encode(_login(credential) | {"serveraddress": _address(credential.host)})


def registry_config(credentials: Iterable[HostCredential]) -> str:
    """Return X-Registry-Config for a build; empty = anonymous for all."""
    logins = {_address(credential.host): _login(credential) for credential in credentials}
    return _encode(logins) if logins else ""


def _login(credential: HostCredential) -> dict[str, str]:
    return {"username": credential.username, "password": credential.password}


def _address(registry: str) -> str:
    return _HUB_ADDRESS if registry == DOCKER_HUB else registry


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
