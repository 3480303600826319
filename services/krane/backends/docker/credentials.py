"""Credentials of registries as the engine wants them: in headers of the calls for which it asks a registry."""

import base64
import json
from collections.abc import Iterable

from services.domain.errors import Invalid
from services.domain.images import DOCKER_HUB, registry_of
from services.krane.types import HostCredential

# The engine's own name for Docker Hub.
_HUB_ADDRESS = "https://index.docker.io/v1/"


def registry_auth(image: str, credential: HostCredential | None) -> str:
    """X-Registry-Auth for a call about an image; empty = anonymous.

    The engine would send whatever it gets to the image's registry: raises Invalid for a credential of another one.
    """
    if credential is None:
        return ""
    if credential.host != registry_of(image):
        raise Invalid(f"the credential is for {credential.host}, and image {image[:120]} is not of that registry")
    return _encode(_login(credential) | {"serveraddress": _address(credential.host)})


def registry_config(credentials: Iterable[HostCredential]) -> str:
    """X-Registry-Config for a build; empty = all anonymous."""
    logins = {_address(credential.host): _login(credential) for credential in credentials}
    return _encode(logins) if logins else ""


def _login(credential: HostCredential) -> dict[str, str]:
    return {"username": credential.username, "password": credential.password}


def _address(registry: str) -> str:
    return _HUB_ADDRESS if registry == DOCKER_HUB else registry


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
