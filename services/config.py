"""All configuration, read from `INTERLOCK_*` variables (nested with `__`). Built once at each entry point, passed down.

Restate's own settings are in restate.toml. The defaults run everything on one machine, on loopback, with SQLite.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"


class RestateSettings(BaseModel):
    """Restate's addresses, and the key that proves to the endpoint that a request comes from Restate."""

    ingress_url: str = "http://127.0.0.1:8080"
    admin_url: str = "http://127.0.0.1:9070"
    node_port: int = 5122
    # Public key ("publickeyv1_…"). The endpoint answers 401 to requests that are not signed with its private key.
    # None: signatures are not checked.
    identity_key: str | None = None
    # A file with the identity key. Replaces `identity_key`.
    identity_key_file: Path | None = None

    def read_identity_key(self) -> str | None:
        """Return the identity key, from its file if one is set; raises OSError if that cannot be read."""
        return self.identity_key_file.read_text().strip() if self.identity_key_file else self.identity_key


class EndpointSettings(BaseModel):
    """The process that serves the durable services."""

    host: str = LOOPBACK
    port: int = 9080
    # Time that a running step gets to finish after SIGTERM. Waiting handlers suspend at once.
    grace_seconds: float = 3.0
    # Python module that `interlock up` runs as the endpoint.
    module: str = "services.deployment"
    # Maximum pause before `interlock up` restarts the endpoint after a crash.
    restart_pause_seconds: float = 5.0


class KraneBackend(StrEnum):
    """How instances run."""

    PROCESS = "process"  # as supervised processes on this machine
    DOCKER = "docker"  # as containers of a Docker Engine


class KraneSettings(BaseModel):
    """The orchestrator and its backends."""

    backend: KraneBackend = KraneBackend.PROCESS
    # Socket of the Docker Engine; used by the docker backend only.
    docker_socket: Path = Path("/var/run/docker.sock")
    host: str = LOOPBACK
    port: int = 5050
    # Time from SIGTERM to SIGKILL when an instance is stopped. Deployments can set their own (`stop_seconds`).
    stop_grace_seconds: float = 5.0
    # Time between health probes of an instance that passed all of them for ten seconds. Other instances are probed
    # every half second. So a failure is detected after this time, plus half a second for the confirming probe.
    probe_seconds: float = Field(default=2.0, gt=0)
    # Maximum size of an uploaded source.
    max_source_bytes: int = 200 * 1024 * 1024
    # Maximum time of a build.
    build_timeout_seconds: float = 600.0
    # Maximum time to fetch a commit from git, which is the first part of a build.
    fetch_timeout_seconds: float = 300.0
    # Folders on krane's machine whose repositories may be deployed by file:// URLs. JSON: ["/srv/git"]
    git_file_roots: tuple[Path, ...] = ()
    # Private key with which krane logs in to git servers over ssh.
    git_ssh_key_file: Path | None = None
    # Maximum number of builds at once: in total, and per workspace. Others wait; those for production go first.
    max_builds: int = 2
    max_builds_of_workspace: int = 2
    # Maximum size of the build cache: that of the package installers (process backend), or BuildKit's, which all users
    # of the engine share (docker backend).
    build_cache_mib: int = Field(default=10_240, ge=0)
    # Base images of the docker backend for sources without a Dockerfile.
    python_base_image: str = "docker.io/library/python:3.11-slim"
    node_base_image: str = "docker.io/library/node:22-slim"
    # Maximum memory of each instruction of a docker build, without swap; engines refuse less than 6. BuildKit cannot
    # limit memory, so with a limit the engine's classic builder is used.
    build_memory_mib: int | None = Field(default=None, ge=6)

    @property
    def address(self) -> str:
        """host:port for gRPC clients."""
        return f"{self.host}:{self.port}"


class GatewaySettings(BaseModel):
    """One Envoy and its agent."""

    id: str = "gw-1"
    host: str = LOOPBACK
    # Port for traffic.
    port: int = 8000
    envoy_admin_port: int = 9901
    xds_port: int = 18000
    agent_port: int = 18001
    # Number of Envoy's worker threads.
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
        """URL of Envoy's admin interface."""
        return f"http://{LOOPBACK}:{self.envoy_admin_port}"


class CtrlSettings(BaseModel):
    """The public API."""

    host: str = LOOPBACK
    port: int = 4080
    grpc_port: int = 4090


class DeploySettings(BaseModel):
    """Deadlines and limits of the durable operations."""

    # Maximum time from creating instances until enough are ready. Deployments can set their own (`ready_seconds`).
    ready_timeout_seconds: float = 60.0
    # Maximum time of a build, including the time it waits for other builds.
    build_timeout_seconds: float = 900.0
    # Maximum run time of a release command, such as a database migration. It is then stopped and counts as failed.
    release_timeout_seconds: float = 600.0
    # Maximum time to wait until the gateways have applied a routing change.
    gateway_timeout_seconds: float = 20.0
    # Limits of the request that reads an app's OpenAPI document.
    openapi_timeout_seconds: float = 3.0
    openapi_max_bytes: int = 20 * 1024 * 1024
    # Number of ready deployments per environment that keep running, besides the live and the previous live one.
    keep_ready: int = 3
    # Number of stopped deployments per environment to keep. Older ones are removed with their image and hostname.
    keep_stopped: int = 10
    # Time from when a deployment's last sticky hostname moves away until its instances are stopped.
    drain_seconds: float = 10.0
    # Time between passes of the reconciler, and how long a difference must last before the reconciler repairs it.
    reconcile_seconds: float = 5.0
    reconcile_grace_seconds: float = 30.0
    # How long unused images and sources are kept. Must exceed the time between upload and deploy.
    prune_after_seconds: float = 600.0


class Settings(BaseSettings):
    """The configuration of an installation. `INTERLOCK_GATEWAY__PORT=80` sets `gateway.port`."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", env_nested_delimiter="__")

    data_dir: Path = Path("data")
    # Folder with node_modules/ (restate) and envoy/; `make setup` fills it.
    tools_dir: Path = ROOT / "tools"
    # SQLAlchemy URL. Empty: SQLite in the data directory.
    database_url: str = ""
    # Domain of all generated hostnames. Browsers and curl resolve *.localhost to this machine without DNS.
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
        """Folder with the keys of this installation; readable by its owner only."""
        return self.data_dir.resolve() / "secrets"

    @property
    def database(self) -> str:
        """The effective database URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'interlock.db'}"
