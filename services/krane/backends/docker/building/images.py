"""The images that krane built for one installation, and the layers that failed builds left."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from services.domain.errors import Conflict, InterlockError
from services.krane.backends.building.app_config import APP_CONFIG, AppConfig
from services.krane.backends.building.builder import BuildWork, BuiltImage
from services.krane.backends.building.pruning import Stored
from services.krane.backends.docker.containers import INSTALLATION, INSTANCE_ID, Containers
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import APP_LABEL, complete_name, read_app_label
from services.krane.backends.docker.shapes import ContainerSummary, ImageSummary
from services.krane.checks import REFERENCE
from services.telemetry import get_logger

log = get_logger(__name__)

# Not the label names of containers: these inherit their image's labels, and krane finds instances by labels.
BUILT_BY = "interlock.build.installation"
KEY = "interlock.build.key"
SOURCE = "interlock.build.source"
BUILD_ID = "interlock.build.id"
NAMESPACE = "interlock.build.namespace"
# Digits of the short ids in the engine's output.
SHORT = 12
# How long the engine gets to end the containers of an aborted build.
END_SECONDS = 4.0
LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Traces:
    """The images and containers that a running build used and made, by short id, oldest first."""

    # Reference of the source.
    source: str
    # Full ids of what other builds had left when this one began. This build does not remove it.
    before: frozenset[str]
    containers: list[str] = field(default_factory=list[str])
    layers: list[str] = field(default_factory=list[str])


async def see_cleared(build_id: str, clearing: Awaitable[None]) -> None:
    """Clean up after a build, even if the caller is cancelled."""

    async def clear() -> None:
        try:
            await clearing
        except InterlockError as error:
            # The next prune or the next krane removes it.
            log.warning("what a build left could not be removed", build_id=build_id, reason=error.message)

    await asyncio.shield(clear())


class BuiltImages:
    """Everything on the engine with the label of this installation's builds."""

    def __init__(self, engine: Engine, containers: Containers) -> None:
        self._engine = engine
        self._installation = containers.labels[INSTALLATION]
        self._mine = {BUILT_BY: self._installation}
        # Traces of the running builds. Builds share layers, and a layer must stay while one of them uses it.
        self._traces: list[Traces] = []

    @property
    def stage_label(self) -> str:
        """The label of every layer."""
        return f"{BUILT_BY}={self._installation}"

    def tag(self, key: str) -> str:
        """Return the tag of a finished image. It also protects the image: operators prune untagged images."""
        return f"interlock-{self._installation}:{key}"

    def labels(self, work: BuildWork, key: str, app: AppConfig) -> dict[str, str]:
        """Return the labels of a finished image. No value has a single quote or a line break."""
        return {
            **self._mine,
            KEY: key,
            SOURCE: work.source_digest,
            BUILD_ID: work.build_id,
            NAMESPACE: work.namespace,
            # JSON has single quotes only in strings, where it allows this escape.
            APP_LABEL: APP_CONFIG.dump_json(app).decode().replace("'", "\\u0027"),
        }

    async def find(self, key: str) -> BuiltImage | None:
        """Return the finished image with a key, by its id."""
        found = await self._engine.inspect_image(self.tag(key))
        labels = found.config.labels or {} if found and found.config else {}
        # Somebody may have moved the tag to another image.
        if found is None or not (self._mine | {KEY: key}).items() <= labels.items():
            return None
        return BuiltImage(name=found.id, settings=read_app_label(found.id, labels).settings)

    # -- pruning ----------------------------------------------------------------------------------------------------

    def names(self, references: Iterable[str]) -> set[str]:
        """Return the complete references. Raises Invalid for a text that names neither a source nor an image."""
        return {one if REFERENCE.fullmatch(one) else complete_name(one) for one in references}

    async def stored(self) -> list[Stored]:
        """Return every finished image, and the last layer of every failed build."""
        images = await self._engine.list_images(self._mine)
        return [Stored(image.id, str(image.created), frozenset(self._names_of(image))) for image in images]

    async def remove(self, reference: str, is_needed: Callable[[], bool]) -> bool:
        """Remove an image and the layers that only it uses. An image that a container uses stays."""
        images = {image.id: image for image in await self._engine.list_images(self._mine, with_layers=True)}
        if is_needed() or not await self._try_to_remove(reference):
            return False
        layer = images.get(images[reference].parent_id) if reference in images else None
        while layer and not layer.tags and not self._is_used(_short(layer.id)) and await self._try_to_remove(layer.id):
            layer = images.get(layer.parent_id)
        return True

    def _names_of(self, image: ImageSummary) -> set[str]:
        if image.tags:
            return {image.id, *image.tags, f"source@sha256:{image.labels.get(SOURCE, '')}"}
        return {image.id, *(traces.source for traces in self._traces if _short(image.id) in traces.layers)}

    def _is_used(self, short_id: str, *, besides: Traces | None = None) -> bool:
        return any(short_id in traces.layers for traces in self._traces if traces is not besides)

    async def _try_to_remove(self, image_id: str) -> bool:
        try:
            await self._engine.remove_image(image_id)
        except Conflict:
            # Another image is based on it.
            return False
        return True

    # -- what builds leave ------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def tracing(self, source_digest: str) -> AsyncGenerator[Traces]:
        """Collect what a build uses and makes while it runs."""
        unused = [layer.id for layer in await self._last_layers() if not self._is_used(_short(layer.id))]
        traces = Traces(f"source@sha256:{source_digest}", frozenset(unused))
        self._traces.append(traces)
        try:
            yield traces
        finally:
            # Compare by identity: two builds may have equal traces.
            self._traces = [other for other in self._traces if other is not traces]

    async def clear(self, traces: Traces) -> None:
        """Remove what one failed build made, except what other builds use."""
        await self._clear(
            lambda layer: self._is_of(layer, traces), lambda container: _short(container.id) in traces.containers
        )

    async def clear_untagged(self, build_id: str) -> None:
        """Remove the untagged image of an aborted build."""
        for image in await self._engine.list_images(self._mine | {BUILD_ID: build_id}):
            if not image.tags:
                await self._try_to_remove(image.id)

    async def clear_all(self) -> None:
        """Remove what all failed builds made. No build runs."""
        await self._clear(lambda _: True, lambda _: False)

    def _is_of(self, layer: ImageSummary, traces: Traces) -> bool:
        """Return whether only this build made a layer. It may be the last one, made after krane stopped reading."""
        own, parent = _short(layer.id), _short(layer.parent_id)
        is_seen = own in traces.layers and not self._is_used(own, besides=traces)
        is_after_last = parent in traces.layers[-1:] and not self._is_used(parent, besides=traces)
        return layer.id not in traces.before and (is_seen or is_after_last)

    async def _clear(
        self, is_left: Callable[[ImageSummary], bool], is_meant: Callable[[ContainerSummary], bool]
    ) -> None:
        """Remove layers from the last to the first, and the containers of running instructions.

        krane no longer reads from these builds, so the engine is about to end their containers itself.
        """
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            layers = {layer.id for layer in await self._last_layers() if is_left(layer)}
            found = await self._engine.list_containers(self._mine)
            containers = [one for one in found if _is_step(one) and (one.image_id in layers or is_meant(one))]
            if not layers and not containers:
                return
            for container in containers:
                # It is already being removed.
                with contextlib.suppress(Conflict):
                    await self._engine.remove_container(container.id)
            for layer in layers:
                await self._try_to_remove(layer)
            await asyncio.sleep(LOOK_SECONDS)
        log.warning("some remains of builds could not be removed", installation=self._installation)

    async def _last_layers(self) -> list[ImageSummary]:
        """Return the images that no image is based on and that are not finished."""
        return [image for image in await self._engine.list_images(self._mine) if not image.tags]


def _is_step(container: ContainerSummary) -> bool:
    """Return whether a container runs an instruction. Instances inherit the labels of their image."""
    return INSTANCE_ID not in container.labels


def _short(engine_id: str) -> str:
    return engine_id.removeprefix("sha256:")[:SHORT]
