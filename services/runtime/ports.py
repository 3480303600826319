"""Choose the ports of an installation: the configured ones, or free ones that are then stored and used again.

They are stored because Restate identifies the endpoint by its address, and users know the gateway by its port.
"""

import asyncio
import random
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from services.config import LOOPBACK, Settings
from services.domain.errors import Conflict, Invalid
from services.files import write_atomically

# Below the kernel's range for outgoing connections: one of those could occupy a stored port.
CHOICES = range(20_000, 30_000)
# The kernel needs a moment to free the ports of parts that were just killed.
RELEASE_SECONDS = 3.0


class InstallationPorts(BaseModel):
    """All TCP ports of one installation."""

    model_config = ConfigDict(frozen=True)

    restate_ingress: int
    restate_admin: int
    restate_node: int
    endpoint: int
    krane: int
    gateway: int
    gateway_xds: int
    gateway_agent: int
    envoy_admin: int
    ctrl: int
    ctrl_grpc: int


async def choose_ports(settings: Settings, *, auto: bool) -> Settings:
    """Return the settings with the ports to use: the configured ones, or with `auto` free ones, stored for restarts.

    Raises Conflict if a configured port is in use.
    """
    if auto:
        ports = await _stored_or_free(settings.data_dir / "ports.json")
        return _with_ports(settings, ports)
    taken = await _still_taken(configured_ports(settings))
    if taken:
        listed = ", ".join(f"{port} ({name.replace('_', ' ')})" for name, port in taken.items())
        raise Conflict(
            f"already in use: port {listed}; stop the program that listens there, or use `--ports auto` for free ports"
        )
    return settings


def configured_ports(settings: Settings) -> InstallationPorts:
    """Return the ports in the settings."""
    return InstallationPorts(
        restate_ingress=_url_port(settings.restate.ingress_url),
        restate_admin=_url_port(settings.restate.admin_url),
        restate_node=settings.restate.node_port,
        endpoint=settings.endpoint.port,
        krane=settings.krane.port,
        gateway=settings.gateway.port,
        gateway_xds=settings.gateway.xds_port,
        gateway_agent=settings.gateway.agent_port,
        envoy_admin=settings.gateway.envoy_admin_port,
        ctrl=settings.ctrl.port,
        ctrl_grpc=settings.ctrl.grpc_port,
    )


def _with_ports(settings: Settings, ports: InstallationPorts) -> Settings:
    return settings.model_copy(
        update={
            "restate": settings.restate.model_copy(
                update={
                    "ingress_url": f"http://{LOOPBACK}:{ports.restate_ingress}",
                    "admin_url": f"http://{LOOPBACK}:{ports.restate_admin}",
                    "node_port": ports.restate_node,
                }
            ),
            "endpoint": settings.endpoint.model_copy(update={"port": ports.endpoint}),
            "krane": settings.krane.model_copy(update={"port": ports.krane}),
            "gateway": settings.gateway.model_copy(
                update={
                    "port": ports.gateway,
                    "xds_port": ports.gateway_xds,
                    "agent_port": ports.gateway_agent,
                    "envoy_admin_port": ports.envoy_admin,
                }
            ),
            "ctrl": settings.ctrl.model_copy(update={"port": ports.ctrl, "grpc_port": ports.ctrl_grpc}),
        }
    )


async def _stored_or_free(file: Path) -> InstallationPorts:
    stored = _read(file)
    if stored:
        ports = stored.model_copy(update=_choose_free(await _still_taken(stored)))
    else:
        ports = InstallationPorts(**_choose_free(InstallationPorts.model_fields))
    write_atomically(file, f"{ports.model_dump_json(indent=2)}\n".encode())
    return ports


def _read(file: Path) -> InstallationPorts | None:
    try:
        return InstallationPorts.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise Invalid(f"{file} does not hold the ports of an installation; remove it to choose new ones") from error


def _choose_free(names: Iterable[str]) -> dict[str, int]:
    free = (port for port in random.sample(CHOICES, len(CHOICES)) if is_free(port))
    return dict(zip(names, free, strict=False))


async def _still_taken(ports: InstallationPorts) -> dict[str, int]:
    """Return the ports, by name, that are still in use after RELEASE_SECONDS."""
    taken = dict(ports)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RELEASE_SECONDS
    while taken := {name: port for name, port in taken.items() if not is_free(port)}:
        if loop.time() >= deadline:
            break
        await asyncio.sleep(0.05)
    return taken


def _url_port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise Invalid(f"{url} names no port; write it as http://{LOOPBACK}:<port>")
    return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port of this machine's loopback address."""
    with socket.socket() as probe:
        # Servers set this option too: lingering connections of an earlier server do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
