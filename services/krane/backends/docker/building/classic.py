"""Builds by the engine's classic builder, each instruction in a container that may be limited, each layer an image."""

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
    """The builder of old engines, and the only one that keeps to a limit of memory."""

    def __init__(self, engine: Engine, images: BuiltImages, memory_mib: int | None) -> None:
        """`memory_mib` is what each instruction may use, without swap; None = what there is."""
        self._engine = engine
        self._images = images
        self._memory_mib = memory_mib

    async def build(self, request: BuildRequest) -> str:
        """Build and tag an image, and clear up after the build unless it succeeds."""
        dockerfile = prepare_dockerfile(request.dockerfile, self._images.stage_label, request.labels)
        # Both are left out of what is copied.
        added = {DOCKERFILE: dockerfile.text, DOCKERIGNORE: f"{DOCKERFILE}\n{DOCKERIGNORE}\n"}
        query = {
            "version": "1",
            "dockerfile": DOCKERFILE,
            "t": request.tag,
            # No container stays, whether its instruction succeeds or not.
            "rm": "1",
            "forcerm": "1",
            **self._limits,
        }
        async with self._images.tracing(request.work.source_digest) as traces:
            output = ClassicOutput(request.work.log, traces, self._memory_mib)
            is_built = False
            try:
                # Whoever stops listening ends the build.
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
        # The second is memory and swap together: no swap.
        return {"memory": memory, "memswap": memory}
