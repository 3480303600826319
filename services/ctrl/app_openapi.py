"""The API method that returns the OpenAPI document of an app."""

from collections.abc import AsyncGenerator
from typing import Final

from services.ctrl.checks import check_workspace
from services.db.deployments import read_openapi
from services.db.engine import Database
from services.db.views import find_deployment
from services.domain.errors import NotFound
from services.domain.ids import check_id
from services.domain.openapi import OPENAPI_PATH
from services.gen.ctrl.v1 import control_pb2 as pb

CHUNK_BYTES: Final = 1024 * 1024


class OpenapiApi:
    """The streaming method of ctrl.v1.ControlService for documents, which may be larger than a message."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetOpenapi(self, request: pb.GetOpenapiRequest) -> AsyncGenerator[pb.GetOpenapiResponse]:
        """Stream the document that a deployment served when it became ready."""
        workspace, deployment_id = check_workspace(request.workspace), check_id("deployment_id", request.deployment_id)
        async with self._database.read() as session:
            view = await find_deployment(session, workspace, deployment_id)
            digest = view.deployment.openapi_digest
            content = await read_openapi(session, digest) if digest else None
        if content is None:
            raise NotFound(f"no OpenAPI document of {deployment_id} was kept; does the app serve {OPENAPI_PATH}?")
        return _chunks(content)


async def _chunks(content: bytes) -> AsyncGenerator[pb.GetOpenapiResponse]:
    for start in range(0, len(content), CHUNK_BYTES):
        yield pb.GetOpenapiResponse(chunk=content[start : start + CHUNK_BYTES])
