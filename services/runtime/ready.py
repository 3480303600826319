"""The ready file: how to reach a running installation. It exists from when all parts are healthy to a clean stop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from services.files import write_atomically

if TYPE_CHECKING:
    # Every `interlock` command imports this module; loading the settings would slow it down.
    from services.config import Settings


class ReadyFile(BaseModel):
    """Base URLs, host:port addresses for gRPC, and the process id of each part."""

    ingress: str
    admin: str
    gateway: str
    ctrl: str
    ctrl_grpc: str
    krane_grpc: str
    database: str
    apex: str
    envoy_admin: str
    pids: dict[str, int]


def describe(settings: "Settings", pids: Mapping[str, int]) -> ReadyFile:
    """Return the content of the ready file for an installation with these settings."""
    return ReadyFile(
        ingress=settings.restate.ingress_url,
        admin=settings.restate.admin_url,
        gateway=f"http://{settings.gateway.host}:{settings.gateway.port}",
        ctrl=f"http://{settings.ctrl.host}:{settings.ctrl.port}",
        ctrl_grpc=f"{settings.ctrl.host}:{settings.ctrl.grpc_port}",
        krane_grpc=settings.krane.address,
        database=settings.database,
        apex=settings.apex,
        envoy_admin=settings.gateway.envoy_admin_url,
        pids=dict(pids),
    )


def publish(ready: ReadyFile, files: Sequence[Path]) -> None:
    """Write each file, readable by the owner only."""
    for file in files:
        write_atomically(file, f"{ready.model_dump_json(indent=2)}\n".encode())


def withdraw(files: Sequence[Path]) -> None:
    """Remove the files; missing ones are ignored."""
    for file in files:
        file.unlink(missing_ok=True)
