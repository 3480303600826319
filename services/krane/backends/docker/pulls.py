"""Pulls images in the background: a pull may take longer than a caller waits for one answer."""

import asyncio

from services.krane.backends.docker.credentials import registry_auth
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import complete_name
from services.krane.types import HostCredential

# Shorter than callers wait.
WAIT_SECONDS = 3.0

# With another credential the pull is another one, with its own answer.
_Key = tuple[str, HostCredential | None]


class Pulls:
    """The running pulls. They go on between the calls that ask for them; a call after the end starts a new one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: dict[_Key, asyncio.Task[None]] = {}

    async def is_here(self, name: str, credential: HostCredential | None) -> bool:
        """Wait a moment and return whether the engine has an image; if not, the pull goes on.

        Raises Invalid if the name is invalid, PreconditionFailed if the image cannot be pulled, Unavailable if its
        registry does not answer.
        """
        asked = complete_name(name)
        if await self._engine.inspect_image(asked) is not None:
            return True
        pull = self._running.get((asked, credential)) or self._begin(asked, credential)
        ended, _ = await asyncio.wait([pull], timeout=WAIT_SECONDS)
        return bool(ended) and pull.result() is None

    async def close(self) -> None:
        """Cancel the running pulls."""
        for pull in self._running.values():
            pull.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _begin(self, name: str, credential: HostCredential | None) -> asyncio.Task[None]:
        auth = registry_auth(name, credential)
        pull = asyncio.create_task(self._engine.pull_image(name, registry_auth=auth), name=f"pull {name}")
        self._running[name, credential] = pull

        def ended(_: asyncio.Task[None]) -> None:
            del self._running[name, credential]
            if not pull.cancelled():
                # Perhaps nobody asks again: mark the exception as read.
                pull.exception()

        pull.add_done_callback(ended)
        return pull
