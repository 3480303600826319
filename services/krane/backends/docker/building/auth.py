"""Gives BuildKit the credentials of registries, each only for its own registry."""

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
        """Answer with the login for one registry; without one, as anonymous."""
        for message in await call.receive():
            await call.send(framed(self._find(pb.CredentialsRequest.FromString(message).host).SerializeToString()))

    def _find(self, host: str) -> pb.CredentialsResponse:
        # BuildKit asks for hosts of Docker Hub; an image name with that host leads to the registry's name.
        credential = self._credentials.get(registry_of(f"{host}/image") or "")
        if credential is None:
            return pb.CredentialsResponse()
        return pb.CredentialsResponse(username=credential.username, secret=credential.password)
