"""Describe the parts of an installation: command, environment, health probe and needs of each."""

import platform
import sys
from functools import partial
from pathlib import Path

from services.config import LOOPBACK, ROOT, Settings
from services.db.migrations import migrate
from services.domain.errors import PreconditionFailed
from services.gateway.bootstrap import envoy_command
from services.krane.backends.process.environment import INSTALLER_VARIABLES
from services.runtime.environment import bare_environment, part_environment, restate_environment
from services.runtime.health import Probe
from services.runtime.identity import RequestIdentity
from services.runtime.keeper import Part
from services.runtime.probes import probes_of
from services.runtime.supervisor import StartupJobs

# Name of a startup job that parts wait for.
MIGRATION = "database migration"

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def describe_startup_jobs(settings: Settings) -> StartupJobs:
    """Return the jobs that run once before the parts that need them."""
    return {MIGRATION: partial(migrate, settings.database)}


def describe_parts(settings: Settings, identity: RequestIdentity) -> list[Part]:
    """Return all parts; raises PreconditionFailed if a binary is not installed."""
    probes = probes_of(settings)
    return [
        _restate(settings, probes["restate"], identity.private_key_file),
        _krane(settings, probes["krane"]),
        _gateway(settings, probes["gateway"]),
        _envoy(settings, probes["envoy"]),
        _endpoint(settings, probes["endpoint"], identity.public_key),
        _ctrl(settings, probes["ctrl"]),
    ]


def _restate(settings: Settings, probe: Probe, private_key_file: Path) -> Part:
    node = f"{LOOPBACK}:{settings.restate.node_port}"
    return Part(
        name="restate",
        argv=(restate_binary(settings.tools_dir), "--no-logo", "--config-file", str(ROOT / "restate.toml")),
        environment=restate_environment()
        | {
            "RESTATE_BASE_DIR": str(settings.data_dir / "restate"),
            "RESTATE_INGRESS__BIND_ADDRESS": settings.restate.ingress_url.removeprefix("http://"),
            "RESTATE_ADMIN__BIND_ADDRESS": settings.restate.admin_url.removeprefix("http://"),
            "RESTATE_BIND_ADDRESS": node,
            "RESTATE_ADVERTISED_ADDRESS": f"http://{node}",
            "RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE": str(private_key_file),
        },
        probe=probe,
    )


def restate_binary(tools_dir: Path) -> str:
    """Return the path of restate-server; raises PreconditionFailed if it is not installed."""
    architecture = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    package = f"restate-server-{platform.system().lower()}-{architecture}"
    binary = tools_dir.resolve() / "node_modules" / "@restatedev" / package / "bin" / "restate-server"
    if not binary.is_file():
        raise PreconditionFailed(f"restate-server is not installed at {binary}; run `make setup`")
    return str(binary)


def _krane(settings: Settings, probe: Probe) -> Part:
    return Part(
        name="krane",
        argv=_module("services.krane"),
        environment=part_environment(settings, *INSTALLER_VARIABLES),
        probe=probe,
    )


def _gateway(settings: Settings, probe: Probe) -> Part:
    return Part(
        name="gateway",
        argv=_module("services.gateway"),
        environment=part_environment(settings),
        probe=probe,
        needs=(MIGRATION,),
    )


def _envoy(settings: Settings, probe: Probe) -> Part:
    return Part(
        name="envoy",
        argv=tuple(envoy_command(settings)),
        environment=bare_environment(),
        probe=probe,
        # The gateway agent writes Envoy's bootstrap file.
        needs=("gateway",),
    )


def _endpoint(settings: Settings, probe: Probe, identity_key: str) -> Part:
    restate = settings.restate.model_copy(update={"identity_key": identity_key})
    return Part(
        name="endpoint",
        argv=_module(settings.endpoint.module),
        environment=part_environment(settings.model_copy(update={"restate": restate})),
        probe=probe,
        needs=(MIGRATION, "restate", "krane"),
        stop_seconds=settings.endpoint.grace_seconds + 10,
        longest_pause_seconds=settings.endpoint.restart_pause_seconds,
    )


def _ctrl(settings: Settings, probe: Probe) -> Part:
    return Part(
        name="ctrl",
        argv=_module("services.ctrl"),
        environment=part_environment(settings),
        probe=probe,
        needs=(MIGRATION, "restate", "krane"),
    )


def _module(name: str) -> tuple[str, ...]:
    # -P: do not import modules from the working directory.
    return (sys.executable, "-P", "-m", name)
