"""`python -m services.ctrl`: serve the public API until SIGTERM or SIGINT."""

import asyncio
import signal

from services import telemetry
from services.config import Settings
from services.ctrl.server import serve


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings()
    telemetry.configure("ctrl", json=settings.log_json)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


if __name__ == "__main__":
    asyncio.run(main())
