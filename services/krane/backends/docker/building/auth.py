"""Credentials for the registries that BuildKit asks while it builds, each told for its own registry alone."""

from collections.abc import Iterable

from services.domain.images import registry_of
from services.gen.buildkit.v1 import session_pb2 as pb
from services.krane.backends.docker.building.session import Call, framed
from services.krane.types import HostCredential

CREDENTIALS = "/moby.filesync.v1.Auth/Credentials"


class Auth:
    """The credentials of one build."""

    def __init__(self, credentials: Iterable[HostCredential]) -> None:
        self._credentials = {credential.host: credential for credential in credentials}

    async def answer(self, call: Call) -> None:
        """Say who krane is for one registry; nobody, where it has no credential."""
        for message in await call.receive():
            await call.send(framed(self._find(pb.CredentialsRequest.FromString(message).host).SerializeToString()))

    def _find(self, host: str) -> pb.CredentialsResponse:
        # Hosts that stand for Docker Hub are found by the name of the registry of an image there.
        credential = self._credentials.get(registry_of(f"{host}/image") or "")
        if credential is None:
            return pb.CredentialsResponse()
        return pb.CredentialsResponse(username=credential.username, secret=credential.password)
