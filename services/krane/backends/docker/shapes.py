"""The objects of the Docker Engine API that krane reads. Unused fields are ignored."""

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_pascal

BUILDKIT_TRACE = "moby.buildkit.trace"
BUILDKIT_IMAGE = "moby.image.id"


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, extra="ignore")


class EngineVersion(_Shape):
    """GET /version."""

    # "1.41"
    api_version: str
    min_api_version: str = Field(alias="MinAPIVersion")
    # In the words of image manifests: "linux", "amd64".
    os: str
    arch: str


class ContainerSummary(_Shape):
    """One of GET /containers/json."""

    id: str
    # Each with a "/" before it.
    names: list[str]
    # "sha256:<hex>"
    image_id: str = Field(alias="ImageID")
    labels: dict[str, str]
    # "created", "running", "exited", ...
    state: str


class PortBinding(_Shape):
    """A port of this machine."""

    host_port: str


class HostConfig(_Shape):
    """Ports of this machine that a container uses."""

    # By port of the container, "<port>/tcp".
    port_bindings: dict[str, list[PortBinding]] | None = None


class ContainerConfig(_Shape):
    """The configuration that a container was created with."""

    labels: dict[str, str] | None = None


class ContainerRunState(_Shape):
    """The state of a container."""

    status: str
    running: bool
    # Of its first process, in the engine's pid namespace; 0 unless it runs.
    pid: int
    exit_code: int
    oom_killed: bool = Field(alias="OOMKilled")


class NetworkEndpoint(_Shape):
    """A container's place in one network."""

    # Empty unless it runs.
    ip_address: str = Field(alias="IPAddress")


class NetworkSettings(_Shape):
    """The networks of a container, by name."""

    networks: dict[str, NetworkEndpoint] | None = None


class ContainerDetails(_Shape):
    """GET /containers/{id}/json."""

    id: str
    # With a "/" before it.
    name: str
    state: ContainerRunState
    config: ContainerConfig
    host_config: HostConfig
    network_settings: NetworkSettings


class ImageConfig(_Shape):
    """The configuration that an image gives its containers."""

    # "<port>/<protocol>"
    exposed_ports: dict[str, object] | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    labels: dict[str, str] | None = None


class ImageDetails(_Shape):
    """GET /images/{name}/json."""

    # "sha256:<hex>"
    id: str
    os: str
    architecture: str
    # "<repository>@sha256:<hex>", for each registry that is known to have it.
    repo_digests: list[str] | None = None
    config: ImageConfig | None = None


class Platform(BaseModel):
    """A platform that an image was built for."""

    architecture: str = ""
    os: str = ""


class Descriptor(BaseModel):
    """Names content by its digest."""

    # "sha256:<hex>"
    digest: str


class RegistryImage(_Shape):
    """GET /distribution/{name}/json."""

    descriptor: Descriptor
    # Empty if the registry does not tell.
    platforms: list[Platform] | None = None


class ImageSummary(_Shape):
    """One of GET /images/json."""

    # "sha256:<hex>"
    id: str
    # Empty if it is a base image, or its parent is not on this engine.
    parent_id: str
    repo_tags: list[str] | None
    labels: dict[str, str] = {}
    # Seconds since 1970.
    created: int

    @property
    def tags(self) -> list[str]:
        """Its tags. Old engines list a placeholder for an untagged image."""
        return [tag for tag in self.repo_tags or [] if tag != "<none>:<none>"]

    @field_validator("labels", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return value or {}


class VolumeSummary(_Shape):
    """A volume."""

    name: str
    labels: dict[str, str] | None = None


class VolumeList(_Shape):
    """GET /volumes."""

    volumes: list[VolumeSummary] | None = None


class BuildError(BaseModel):
    """Why a build failed."""

    # Exit code of the command that failed.
    code: int | None = None


class BuiltId(BaseModel):
    """The image that BuildKit built."""

    id: str = Field(alias="ID")


class BuildProgress(BaseModel):
    """A line of POST /build."""

    # Output of the build.
    stream: str = ""
    # Progress of a pull, and of which layer.
    status: str = ""
    id: str = ""
    error: str = ""
    error_detail: BuildError | None = Field(default=None, alias="errorDetail")
    aux: str | BuiltId | object = None

    @property
    def trace(self) -> str:
        """BuildKit's progress, as base64 of a buildkit.v1.StatusResponse; empty for other lines."""
        return self.aux if self.id == BUILDKIT_TRACE and isinstance(self.aux, str) else ""

    @property
    def image_id(self) -> str:
        """The image that BuildKit built, "sha256:<hex>"; empty for other lines."""
        return self.aux.id if self.id == BUILDKIT_IMAGE and isinstance(self.aux, BuiltId) else ""

    @property
    def text(self) -> str:
        """The line as text for the build log."""
        return self.stream or (f"{self.id} {self.status}\n".lstrip() if self.status else "")


class EventActor(_Shape):
    """What an event is about."""

    id: str = Field(alias="ID")
    # The container's labels, its name and more.
    attributes: dict[str, str]


class Event(_Shape):
    """A line of GET /events."""

    # "die", "destroy" or "oom"
    action: str
    actor: EventActor


class Created(_Shape):
    """POST /containers/create."""

    id: str


class PullProgress(BaseModel):
    """A line of POST /images/create. Only its error matters."""

    error: str = ""


class Problem(BaseModel):
    """The body of an error response."""

    message: str
