"""The ports an installation listens on: the documented ones, or free ones that are chosen once and remembered.

They are remembered because Restate knows the endpoint by its address, and people know the gateway by its port.
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

# Below the range from which kernels take the ports of outgoing connections, which could hold one when it is needed.
CHOICES = range(20_000, 30_000)
# Parts that were killed a moment ago may still be giving their ports back.
RELEASE_SECONDS = 3.0


class Ports(BaseModel):
    """Every TCP port of one installation, by the part and what it is for."""

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


async def settle_ports(settings: Settings, *, auto: bool) -> Settings:
    """The settings with the ports to use: the configured ones, or with `auto` free ones, kept over restarts.

    Raises Conflict when a configured port is taken.
    """
    if auto:
        ports = await _remembered_or_free(settings.data_dir / "ports.json")
        return _with_ports(settings, ports)
    taken = await _still_taken(configured_ports(settings))
    if taken:
        listed = ", ".join(f"{port} ({name.replace('_', ' ')})" for name, port in taken.items())
        raise Conflict(
            f"already in use: port {listed}; stop what listens there, or let `--ports auto` choose free ones"
        )
    return settings


def configured_ports(settings: Settings) -> Ports:
    """The ports that the settings name."""
    return Ports(
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


def _with_ports(settings: Settings, ports: Ports) -> Settings:
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


async def _remembered_or_free(file: Path) -> Ports:
    remembered = _read(file)
    if remembered:
        ports = remembered.model_copy(update=_choose_free(await _still_taken(remembered)))
    else:
        ports = Ports(**_choose_free(Ports.model_fields))
    write_atomically(file, f"{ports.model_dump_json(indent=2)}\n".encode())
    return ports


def _read(file: Path) -> Ports | None:
    try:
        return Ports.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise Invalid(
            f"{file} does not hold the ports of an installation; remove it, new ones will be chosen"
        ) from error


def _choose_free(names: Iterable[str]) -> dict[str, int]:
    free = (port for port in random.sample(CHOICES, len(CHOICES)) if _is_free(port))
    return dict(zip(names, free, strict=False))


async def _still_taken(ports: Ports) -> dict[str, int]:
    """The ports, by name, that stay taken for RELEASE_SECONDS."""
    taken = dict(ports)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RELEASE_SECONDS
    while taken := {name: port for name, port in taken.items() if not _is_free(port)}:
        if loop.time() >= deadline:
            break
        await asyncio.sleep(0.05)
    return taken


def _url_port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise Invalid(f"{url} names no port; write it as http://{LOOPBACK}:<port>")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that linger do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
