"""The ctrl process: runs the gRPC and HTTP servers, the bridge and the dispatcher on one event loop."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

import grpc.aio
from grpc_health.v1 import health, health_pb2
from hypercorn.asyncio import serve as serve_http  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from starlette.applications import Starlette

from services.config import CtrlSettings, Settings
from services.ctrl.app_openapi import OpenapiApi
from services.ctrl.attention import AttentionApi
from services.ctrl.bridge import BRIDGED, Bridge
from services.ctrl.cancellation import Cancellation
from services.ctrl.configuration import ConfigurationApi
from services.ctrl.control import CONTROL_SERVICE, Stream, bind
from services.ctrl.deployments import DeploymentApi
from services.ctrl.dispatcher import Dispatcher
from services.ctrl.grpc_door import add_control
from services.ctrl.http_door import http_app
from services.ctrl.images import ImagePinning
from services.ctrl.logs import LogApi
from services.ctrl.operations import OperationApi
from services.ctrl.projects import ProjectApi
from services.ctrl.registries import CredentialApi
from services.ctrl.running import RunApi
from services.ctrl.volumes import VolumeApi
from services.db.engine import Database
from services.deployment.secrets import Secrets
from services.durable.client import RestateClient
from services.keyring import Keyring
from services.krane.client import KraneClient
from services.rpc.serving import announce, create_server
from services.telemetry import get_logger

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# Time that running calls get on shutdown; operations that they started in Restate continue.
GRACE_SECONDS = 2.0

_log = get_logger(__name__)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; raises OSError or RuntimeError if a port is in use."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        restate = await stack.enter_async_context(
            RestateClient(settings.restate.ingress_url, settings.restate.admin_url)
        )
        krane = await stack.enter_async_context(KraneClient(settings.krane.address))
        cancellation = Cancellation(database, restate)
        dispatcher = Dispatcher(database, restate, cancellation)
        keyring = Keyring(settings.secrets_dir)
        keyring.ensure()
        sealed = Secrets(database, keyring)
        images = ImagePinning(krane, sealed)
        deployments = DeploymentApi(database, krane, images, dispatcher, cancellation, settings.gateway.port)
        operations = OperationApi(database, restate, krane, cancellation)
        attention = AttentionApi(database, restate, krane, settings)
        following = KraneClient(settings.krane.address)
        stack.push_async_callback(following.close)
        streams: Mapping[str, Stream] = {
            "FollowLogs": LogApi(database, following).FollowLogs,
            "GetOpenapi": OpenapiApi(database).GetOpenapi,
            "RunCommand": RunApi(database, sealed, krane, following).RunCommand,
        }
        projects = ProjectApi(database, krane, settings.gateway.port)
        configuration, credentials = ConfigurationApi(database, keyring), CredentialApi(database, keyring)
        volumes = VolumeApi(database, krane)
        methods = bind(projects, configuration, credentials, volumes, deployments, operations, attention)
        grpc_server = await _grpc_server(settings.ctrl)
        add_control(grpc_server, methods, streams, deployments.UploadSource)
        Bridge(restate).add_to(grpc_server)
        stack.push_async_callback(grpc_server.stop, GRACE_SECONDS)
        await grpc_server.start()
        await _run(settings.ctrl, http_app(methods, streams), dispatcher, following, stop)


async def _run(
    settings: CtrlSettings, app: Starlette, dispatcher: Dispatcher, following: KraneClient, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as tasks:
        dispatching = tasks.create_task(dispatcher.run())
        http = serve_http(app, _http_config(settings), shutdown_trigger=stop.wait)  # pyright: ignore[reportArgumentType] -- Starlette's and Hypercorn's ASGI types differ
        tasks.create_task(http)
        _log.info("ctrl started", port=settings.port, grpc_port=settings.grpc_port)
        await stop.wait()
        dispatching.cancel()
        # Log streams do not end by themselves and would use up the grace period.
        await following.close()


async def _grpc_server(settings: CtrlSettings) -> grpc.aio.Server:
    server = create_server(
        "ctrl",
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    )
    names = [service.full_name for service in (CONTROL_SERVICE, *BRIDGED)]
    servicer = health.aio.HealthServicer()
    for name in names:
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    announce(server, names, servicer)
    server.add_insecure_port(f"{settings.host}:{settings.grpc_port}")
    return server


def _http_config(settings: CtrlSettings) -> Config:
    config = Config()
    config.bind = [f"{settings.host}:{settings.port}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = GRACE_SECONDS
    return config
