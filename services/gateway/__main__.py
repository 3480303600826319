"""`python -m services.gateway`: run the agent of one gateway until SIGTERM or SIGINT."""

import asyncio
import signal
import sys

from services import telemetry
from services.config import Settings
from services.domain.errors import InterlockError
from services.gateway.agent import run_agent

log = telemetry.get_logger(__name__)


def main() -> None:
    """Run the agent; exits with 1 if it cannot start."""
    settings = Settings()
    telemetry.configure("gateway", json=settings.log_json)
    log.info("agent starting", settings=settings.gateway.model_dump(mode="json"))
    try:
        asyncio.run(_main(settings))
    except InterlockError as error:
        log.error("agent cannot run", reason=error.message)
        sys.exit(1)


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_agent(settings, stop)


if __name__ == "__main__":
    main()
