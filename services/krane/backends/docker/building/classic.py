"""Builds with the engine's classic builder: each instruction runs in a container, and each layer is an image."""

from services.domain.errors import PreconditionFailed
from services.krane.backends.docker.building.context import DOCKERFILE
from services.krane.backends.docker.building.dockerfile import prepare_dockerfile
from services.krane.backends.docker.building.images import BuiltImages, see_cleared
from services.krane.backends.docker.building.output import ClassicOutput
from services.krane.backends.docker.building.request import BuildRequest
from services.krane.backends.docker.building.source import DOCKERIGNORE
from services.krane.backends.docker.credentials import registry_config
from services.krane.backends.docker.engine import Engine


class ClassicBuilder:
    """The builder of old engines, and the only one that supports a memory limit."""

    def __init__(self, engine: Engine, images: BuiltImages, memory_mib: int | None) -> None:
        """`memory_mib` is the memory limit of each instruction, without swap; None = no limit."""
        self._engine = engine
        self._images = images
        self._memory_mib = memory_mib

    async def build(self, request: BuildRequest) -> str:
        """Build and tag an image. Unless that succeeds, remove everything that the build left."""
        dockerfile = prepare_dockerfile(request.dockerfile, self._images.stage_label, request.labels)
        # The .dockerignore keeps both out of the image.
        added = {DOCKERFILE: dockerfile.text, DOCKERIGNORE: f"{DOCKERFILE}\n{DOCKERIGNORE}\n"}
        query = {
            "version": "1",
            "dockerfile": DOCKERFILE,
            "t": request.tag,
            # Remove the container of each instruction, even if the instruction fails.
            "rm": "1",
            "forcerm": "1",
            **self._limits,
        }
        async with self._images.tracing(request.work.source_digest) as traces:
            output = ClassicOutput(request.work.log, traces, self._memory_mib)
            is_built = False
            try:
                # The build ends if krane stops reading.
                async with self._engine.build(
                    query, request.context(added), registry_config=registry_config(request.work.credentials)
                ) as progress:
                    async for one in progress:
                        output.take(one)
                is_built = not output.failure
            finally:
                if not is_built:
                    await see_cleared(request.work.build_id, self._images.clear(traces))
        if output.failure:
            raise PreconditionFailed(dockerfile.with_own_lines(output.failure))
        return ""

    @property
    def _limits(self) -> dict[str, str]:
        if self._memory_mib is None:
            return {}
        memory = str(self._memory_mib << 20)
        # memswap limits memory plus swap: the same value allows no swap.
        return {"memory": memory, "memswap": memory}
