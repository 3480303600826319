"""The gRPC server: krane's services, health and reflection, on one loopback port."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health

from services.config import KraneSettings
from services.domain.errors import Conflict
from services.gen.krane.v1 import build_pb2, deployment_pb2, image_pb2, task_pb2, volume_pb2
from services.gen.krane.v1.build_pb2_grpc import add_BuildServiceServicer_to_server
from services.gen.krane.v1.deployment_pb2_grpc import add_DeploymentServiceServicer_to_server
from services.gen.krane.v1.image_pb2_grpc import add_ImageServiceServicer_to_server
from services.gen.krane.v1.task_pb2_grpc import add_TaskServiceServicer_to_server
from services.gen.krane.v1.volume_pb2_grpc import add_VolumeServiceServicer_to_server
from services.krane.backend import Backend
from services.krane.backends.opening import open_backend
from services.krane.servicers import BuildServicer, DeploymentServicer, ImageServicer, TaskServicer, VolumeServicer
from services.rpc.serving import announce, create_server
from services.telemetry import get_logger

log = get_logger(__name__)

# Seconds that calls in flight get to finish on SIGTERM.
GRACE_SECONDS = 1.0
SERVICES = (
    deployment_pb2.DESCRIPTOR.services_by_name["DeploymentService"].full_name,
    build_pb2.DESCRIPTOR.services_by_name["BuildService"].full_name,
    task_pb2.DESCRIPTOR.services_by_name["TaskService"].full_name,
    image_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name,
    volume_pb2.DESCRIPTOR.services_by_name["VolumeService"].full_name,
)


async def serve(data_dir: Path, settings: KraneSettings) -> None:
    """Serve until SIGTERM or SIGINT; instances keep running. Raises Conflict if data directory or port is in use."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(data_dir, settings) as address:
        log.info("krane serves", address=address)
        await stop.wait()
    log.info("krane stopped")


@asynccontextmanager
async def running(data_dir: Path, settings: KraneSettings) -> AsyncGenerator[str]:
    """Run krane; yields its host:port. Port 0 in the settings means any free port."""
    async with open_backend(data_dir, settings) as backend, serving(backend, settings) as address:
        yield address


@asynccontextmanager
async def serving(backend: Backend, settings: KraneSettings) -> AsyncGenerator[str]:
    """Serve an open backend; yields host:port."""
    server = _create_server(backend)
    port = _listen(server, settings)
    await server.start()
    try:
        yield f"{settings.host}:{port}"
    finally:
        # Log streams do not end by themselves: they would use up the grace period.
        backend.logs.close()
        await server.stop(GRACE_SECONDS)


def _create_server(backend: Backend) -> grpc.aio.Server:
    server = create_server("krane")
    add_DeploymentServiceServicer_to_server(DeploymentServicer(backend), server)
    add_BuildServiceServicer_to_server(BuildServicer(backend), server)
    add_TaskServiceServicer_to_server(TaskServicer(backend), server)
    add_ImageServiceServicer_to_server(ImageServicer(backend), server)
    add_VolumeServiceServicer_to_server(VolumeServicer(backend), server)
    announce(server, SERVICES, health.aio.HealthServicer())
    return server


def _listen(server: grpc.aio.Server, settings: KraneSettings) -> int:
    try:
        return server.add_insecure_port(settings.address)
    except RuntimeError as error:
        raise Conflict(f"krane cannot listen on {settings.address}: free the port or set another") from error
