"""The few shapes of the Docker Engine API that krane reads. Fields that it does not need are ignored."""

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
    # As images name them: "linux", "amd64".
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
    """What a container takes of this machine."""

    # By "<port>/tcp" of the container.
    port_bindings: dict[str, list[PortBinding]] | None = None


class ContainerConfig(_Shape):
    """What a container was created with."""

    labels: dict[str, str] | None = None


class ContainerRunState(_Shape):
    """How a container is."""

    status: str
    running: bool
    exit_code: int
    oom_killed: bool = Field(alias="OOMKilled")


class ContainerDetails(_Shape):
    """GET /containers/{id}/json."""

    id: str
    # With a "/" before it.
    name: str
    state: ContainerRunState
    config: ContainerConfig
    host_config: HostConfig


class ImageConfig(_Shape):
    """What an image says about its containers."""

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
    # "<repository>@sha256:<hex>", by the registries that it is known to be in.
    repo_digests: list[str] | None = None
    config: ImageConfig | None = None


class Platform(BaseModel):
    """A machine that an image was made for."""

    architecture: str = ""
    os: str = ""


class Descriptor(BaseModel):
    """Names content."""

    # "sha256:<hex>"
    digest: str


class RegistryImage(_Shape):
    """GET /distribution/{name}/json."""

    descriptor: Descriptor
    # Empty when its registry does not say.
    platforms: list[Platform] | None = None


class ImageSummary(_Shape):
    """One of GET /images/json."""

    # "sha256:<hex>"
    id: str
    # Empty when it is made of none, or of one that came from elsewhere.
    parent_id: str
    repo_tags: list[str] | None
    labels: dict[str, str] = {}
    # Seconds since 1970.
    created: int

    @property
    def tags(self) -> list[str]:
        """Its tags; old engines name one that does not exist for what has none."""
        return [tag for tag in self.repo_tags or [] if tag != "<none>:<none>"]

    @field_validator("labels", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return value or {}


class BuildError(BaseModel):
    """Why a build failed."""

    # Of the command that ended it.
    code: int | None = None


class BuiltId(BaseModel):
    """The image that BuildKit made."""

    id: str = Field(alias="ID")


class BuildProgress(BaseModel):
    """A line of POST /build."""

    # What the build printed.
    stream: str = ""
    # How a pull goes on, and of what.
    status: str = ""
    id: str = ""
    error: str = ""
    error_detail: BuildError | None = Field(default=None, alias="errorDetail")
    aux: str | BuiltId | object = None

    @property
    def trace(self) -> str:
        """What BuildKit says instead, as base64 of a buildkit.v1.StatusResponse; empty when it is not BuildKit's."""
        return self.aux if self.id == BUILDKIT_TRACE and isinstance(self.aux, str) else ""

    @property
    def image_id(self) -> str:
        """The image that BuildKit made, "sha256:<hex>"; empty when it is not there yet."""
        return self.aux.id if self.id == BUILDKIT_IMAGE and isinstance(self.aux, BuiltId) else ""

    @property
    def text(self) -> str:
        """For a person who reads the log."""
        return self.stream or (f"{self.id} {self.status}\n".lstrip() if self.status else "")


class EventActor(_Shape):
    """What an event is about."""

    id: str = Field(alias="ID")
    # The labels of the container, its name and more.
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
    """A line of POST /images/create; only the problem matters."""

    error: str = ""


class Problem(BaseModel):
    """The body of an answer that is no success."""

    message: str
