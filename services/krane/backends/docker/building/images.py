"""The images that krane built for one installation, and the layers of builds that did not end well."""

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

# Names of their own: containers inherit the labels of their image, and krane finds its instances by theirs.
BUILT_BY = "interlock.build.installation"
KEY = "interlock.build.key"
SOURCE = "interlock.build.source"
BUILD_ID = "interlock.build.id"
NAMESPACE = "interlock.build.namespace"
# Digits of the ids that the engine prints.
SHORT = 12
# So long the engine gets to end what a build runs that was given up.
END_SECONDS = 4.0
LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Traces:
    """What a running build was seen to use and make, by short ids, oldest first."""

    # As a reference.
    source: str
    # What was left of other builds when it began, by full ids: it is not this build's to remove.
    before: frozenset[str]
    containers: list[str] = field(default_factory=list[str])
    layers: list[str] = field(default_factory=list[str])


async def see_cleared(build_id: str, clearing: Awaitable[None]) -> None:
    """Clear up after a build, also when whoever waits for that is cancelled."""

    async def clear() -> None:
        try:
            await clearing
        except InterlockError as error:
            # The next pass of pruning, or the next krane, does it.
            log.warning("what a build left could not be removed", build_id=build_id, reason=error.message)

    await asyncio.shield(clear())


class BuiltImages:
    """Everything on the engine that carries the label of one installation's builds."""

    def __init__(self, engine: Engine, containers: Containers) -> None:
        self._engine = engine
        self._installation = containers.labels[INSTALLATION]
        self._mine = {BUILT_BY: self._installation}
        # Of the builds that run: builds share layers, and none may go while one of them works on it.
        self._traces: list[Traces] = []

    @property
    def stage_label(self) -> str:
        """What every layer carries."""
        return f"{BUILT_BY}={self._installation}"

    def tag(self, key: str) -> str:
        """The tag of a whole image. It also keeps the image from operators who remove what has none."""
        return f"interlock-{self._installation}:{key}"

    def labels(self, work: BuildWork, key: str, app: AppConfig) -> dict[str, str]:
        """What a whole image says of itself, with no single quote and on one line."""
        return {
            **self._mine,
            KEY: key,
            SOURCE: work.source_digest,
            BUILD_ID: work.build_id,
            NAMESPACE: work.namespace,
            # A single quote is in one of its strings, where JSON writes it like this as well.
            APP_LABEL: APP_CONFIG.dump_json(app).decode().replace("'", "\\u0027"),
        }

    async def find(self, key: str) -> BuiltImage | None:
        """The whole image with a key, by its id."""
        found = await self._engine.inspect_image(self.tag(key))
        labels = found.config.labels or {} if found and found.config else {}
        # Somebody may have given the tag to another.
        if found is None or not (self._mine | {KEY: key}).items() <= labels.items():
            return None
        return BuiltImage(name=found.id, settings=read_app_label(found.id, labels).settings)

    # -- pruning ----------------------------------------------------------------------------------------------------

    def names(self, references: Iterable[str]) -> set[str]:
        """The references, complete. Raises Invalid for what names neither a source nor an image."""
        return {one if REFERENCE.fullmatch(one) else complete_name(one) for one in references}

    async def stored(self) -> list[Stored]:
        """Every whole image, and the last layer of every build that did not end well."""
        images = await self._engine.list_images(self._mine)
        return [Stored(image.id, str(image.created), frozenset(self._names_of(image))) for image in images]

    async def remove(self, reference: str, is_needed: Callable[[], bool]) -> bool:
        """Remove an image, and the layers that it alone was made of; one that a container was made of stays."""
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
            # Something else is made of it.
            return False
        return True

    # -- what builds leave ------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def tracing(self, source_digest: str) -> AsyncGenerator[Traces]:
        """Where a build notes what it uses and makes while it runs."""
        unused = [layer.id for layer in await self._last_layers() if not self._is_used(_short(layer.id))]
        traces = Traces(f"source@sha256:{source_digest}", frozenset(unused))
        self._traces.append(traces)
        try:
            yield traces
        finally:
            # By identity: two builds may have seen the same.
            self._traces = [other for other in self._traces if other is not traces]

    async def clear(self, traces: Traces) -> None:
        """Remove what one build made that did not end well, except for what other builds work on."""
        await self._clear(
            lambda layer: self._is_of(layer, traces), lambda container: _short(container.id) in traces.containers
        )

    async def clear_untagged(self, build_id: str) -> None:
        """Remove the image of one build that was given up before it had its tag."""
        for image in await self._engine.list_images(self._mine | {BUILD_ID: build_id}):
            if not image.tags:
                await self._try_to_remove(image.id)

    async def clear_all(self) -> None:
        """Remove what all builds made that did not end well. Nothing is being built."""
        await self._clear(lambda _: True, lambda _: False)

    def _is_of(self, layer: ImageSummary, traces: Traces) -> bool:
        """Whether one build alone made a layer, perhaps its last when nobody listened any more."""
        own, parent = _short(layer.id), _short(layer.parent_id)
        is_seen = own in traces.layers and not self._is_used(own, besides=traces)
        is_after_last = parent in traces.layers[-1:] and not self._is_used(parent, besides=traces)
        return layer.id not in traces.before and (is_seen or is_after_last)

    async def _clear(
        self, is_left: Callable[[ImageSummary], bool], is_meant: Callable[[ContainerSummary], bool]
    ) -> None:
        """Remove layers from the last to the first, and the containers in which instructions run.

        Nobody listens to the builds any more, so the engine is about to end their containers itself.
        """
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            layers = {layer.id for layer in await self._last_layers() if is_left(layer)}
            found = await self._engine.list_containers(self._mine)
            containers = [one for one in found if _is_step(one) and (one.image_id in layers or is_meant(one))]
            if not layers and not containers:
                return
            for container in containers:
                # It is being removed already.
                with contextlib.suppress(Conflict):
                    await self._engine.remove_container(container.id)
            for layer in layers:
                await self._try_to_remove(layer)
            await asyncio.sleep(LOOK_SECONDS)
        log.warning("something that builds left is still there", installation=self._installation)

    async def _last_layers(self) -> list[ImageSummary]:
        """What nothing else is made of, and is no whole image."""
        return [image for image in await self._engine.list_images(self._mine) if not image.tags]


def _is_step(container: ContainerSummary) -> bool:
    """Whether it runs an instruction. An instance inherits the labels of its image, and has its own."""
    return INSTANCE_ID not in container.labels


def _short(engine_id: str) -> str:
    return engine_id.removeprefix("sha256:")[:SHORT]
