"""All configuration, from `INTERLOCK_*` variables (nested with `__`), built once at each entry point and passed down.

Restate's own settings live in restate.toml. Defaults run everything on one machine, on loopback, with SQLite.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"


class RestateSettings(BaseModel):
    """Where Restate listens, and how the endpoint proves that a request comes from it."""

    ingress_url: str = "http://127.0.0.1:8080"
    admin_url: str = "http://127.0.0.1:9070"
    node_port: int = 5122
    # "publickeyv1_…": requests that Restate did not sign with the matching key are answered 401. None: not checked.
    identity_key: str | None = None
    # A file with the identity key, for whoever starts the endpoint and does not know the key.
    identity_key_file: Path | None = None

    def read_identity_key(self) -> str | None:
        """The identity key, from its file when there is one; raises OSError when that cannot be read."""
        return self.identity_key_file.read_text().strip() if self.identity_key_file else self.identity_key


class EndpointSettings(BaseModel):
    """The process that serves the durable services."""

    host: str = LOOPBACK
    port: int = 9080
    # Seconds that a step in flight gets to finish on SIGTERM; parked handlers suspend at once.
    grace_seconds: float = 3.0
    # The Python module that `interlock up` runs as the endpoint.
    module: str = "services.deployment"
    # Longest pause of `interlock up` before it starts the endpoint again after a crash.
    restart_pause_seconds: float = 5.0


class KraneBackend(StrEnum):
    """What runs instances."""

    PROCESS = "process"  # supervised processes of this machine
    DOCKER = "docker"  # containers of a Docker Engine


class KraneSettings(BaseModel):
    """The orchestrator and its backends."""

    backend: KraneBackend = KraneBackend.PROCESS
    # Where the Docker Engine listens; only the docker backend asks for it.
    docker_socket: Path = Path("/var/run/docker.sock")
    host: str = LOOPBACK
    port: int = 5050
    # Seconds between asking an instance to stop (SIGTERM) and killing it.
    stop_grace_seconds: float = 5.0
    # Seconds between probes of an instance that has passed all of them for ten seconds; others are probed every half
    # second. One that goes bad is known to be so much later, and half a second for the probe that confirms it.
    probe_seconds: float = Field(default=2.0, gt=0)
    max_source_bytes: int = 200 * 1024 * 1024
    build_timeout_seconds: float = 600.0
    # For fetching a commit, the first part of a build from git.
    fetch_timeout_seconds: float = 300.0
    # Repositories on krane's machine that file:// URLs may name: those below these folders. JSON: ["/srv/git"]
    git_file_roots: tuple[Path, ...] = ()
    # The private key by which git servers know krane over ssh.
    git_ssh_key_file: Path | None = None
    # Builds that run at once, in all and of one workspace. The others wait, those for production first.
    max_builds: int = 2
    max_builds_of_workspace: int = 2
    # What may be kept to make later builds faster: by installers, or by BuildKit for all that use the engine.
    build_cache_mib: int = Field(default=10_240, ge=0)
    # What the docker backend builds on when a source has no Dockerfile.
    python_base_image: str = "docker.io/library/python:3.11-slim"
    node_base_image: str = "docker.io/library/node:22-slim"
    # Of each instruction of a build of the docker backend, without swap; engines refuse less than 6. BuildKit knows no
    # such limit: with one, builds are made by the engine's classic builder.
    build_memory_mib: int | None = Field(default=None, ge=6)

    @property
    def address(self) -> str:
        """host:port for gRPC clients."""
        return f"{self.host}:{self.port}"


class GatewaySettings(BaseModel):
    """One Envoy and the agent beside it."""

    id: str = "gw-1"
    host: str = LOOPBACK
    # Where Envoy takes traffic.
    port: int = 8000
    envoy_admin_port: int = 9901
    xds_port: int = 18000
    agent_port: int = 18001
    concurrency: int = 2
    # Proxies in front whose word on a request's client (X-Forwarded-For, -Proto, -Host, -Port) is taken: one that
    # terminates TLS, say. What anybody else claims is removed. JSON: ["10.0.0.0/8", "127.0.0.1/32"]
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    # How many headers a request and an answer may have, and how large they may be together.
    max_headers: int = Field(default=500, ge=1, le=1000)
    max_headers_kib: int = Field(default=128, ge=1, le=256)
    # Seconds between looks at the routing revision when nobody asks for a sync.
    poll_seconds: float = 1.0

    @property
    def agent_address(self) -> str:
        """host:port of the agent's gRPC service."""
        return f"{self.host}:{self.agent_port}"

    @property
    def envoy_admin_url(self) -> str:
        """Where Envoy itself answers."""
        return f"http://{LOOPBACK}:{self.envoy_admin_port}"


class CtrlSettings(BaseModel):
    """The public API."""

    host: str = LOOPBACK
    port: int = 4080
    grpc_port: int = 4090


class DeploySettings(BaseModel):
    """Deadlines and limits of the durable operations."""

    ready_timeout_seconds: float = 60.0
    build_timeout_seconds: float = 900.0
    # How long a release command may run, such as a migration of a database, before it is stopped and has failed.
    release_timeout_seconds: float = 600.0
    gateway_timeout_seconds: float = 20.0
    openapi_timeout_seconds: float = 3.0
    openapi_max_bytes: int = 5 * 1024 * 1024
    # Ready deployments per environment that keep running besides the live and the previous live one.
    keep_ready: int = 3
    # Stopped deployments per environment that can be started again; older ones are removed, with image and hostname.
    keep_stopped: int = 10
    # Seconds between a deployment's last sticky hostname leaving it and its instances being stopped.
    drain_seconds: float = 10.0
    # Seconds between passes of the reconciler, and how long something must look wrong before it is repaired.
    reconcile_seconds: float = 5.0
    reconcile_grace_seconds: float = 30.0
    # Seconds that images and sources stay which no deployment needs. An upload needs them to become a deployment.
    prune_after_seconds: float = 600.0


class Settings(BaseSettings):
    """Everything a part needs to know. `INTERLOCK_GATEWAY__PORT=80` sets `gateway.port`."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", env_nested_delimiter="__")

    data_dir: Path = Path("data")
    # Folder with node_modules/ (restate) and envoy/; filled by `make setup`.
    tools_dir: Path = ROOT / "tools"
    # SQLAlchemy URL; empty = SQLite in the data directory.
    database_url: str = ""
    # Every generated hostname ends in it. *.localhost reaches this machine in browsers and curl without any DNS.
    apex: str = "interlock.localhost"
    log_json: bool = True
    restate: RestateSettings = Field(default_factory=RestateSettings)
    endpoint: EndpointSettings = Field(default_factory=EndpointSettings)
    krane: KraneSettings = Field(default_factory=KraneSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    ctrl: CtrlSettings = Field(default_factory=CtrlSettings)
    deploy: DeploySettings = Field(default_factory=DeploySettings)

    @property
    def secrets_dir(self) -> Path:
        """The keys of this installation; only its owner may look into it."""
        return self.data_dir.resolve() / "secrets"

    @property
    def database(self) -> str:
        """The effective database URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'interlock.db'}"
