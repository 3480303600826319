"""The file that says how to reach a running installation: there once all parts are healthy, gone after a clean stop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from services.files import write_atomically

if TYPE_CHECKING:
    # The command line reads this file with every call, and needs no settings for it.
    from services.config import Settings


class Ready(BaseModel):
    """Base URLs, host:port addresses for gRPC, and the process id of each part."""

    ingress: str
    admin: str
    gateway: str
    ctrl: str
    ctrl_grpc: str
    krane_grpc: str
    database: str
    # What a caller of ctrl has to present; None: nothing.
    token: str | None
    apex: str
    envoy_admin: str
    pids: dict[str, int]


def describe(settings: "Settings", pids: Mapping[str, int]) -> Ready:
    """How to reach the installation that runs with these settings."""
    return Ready(
        ingress=settings.restate.ingress_url,
        admin=settings.restate.admin_url,
        gateway=f"http://{settings.gateway.host}:{settings.gateway.port}",
        ctrl=f"http://{settings.ctrl.host}:{settings.ctrl.port}",
        ctrl_grpc=f"{settings.ctrl.host}:{settings.ctrl.grpc_port}",
        krane_grpc=settings.krane.address,
        database=settings.database,
        token=None,
        apex=settings.apex,
        envoy_admin=settings.gateway.envoy_admin_url,
        pids=dict(pids),
    )


def publish(ready: Ready, files: Sequence[Path]) -> None:
    """Write it to each file, readable by the owner alone."""
    for file in files:
        write_atomically(file, f"{ready.model_dump_json(indent=2)}\n".encode())


def withdraw(files: Sequence[Path]) -> None:
    """Remove the files; those that are not there are no trouble."""
    for file in files:
        file.unlink(missing_ok=True)
