"""`python -m services.krane` serves. `stop-all` ends all instances that still run. `remove-all` also removes what is
outside of the data directory (containers, images and volumes of a Docker Engine): run it before you delete that.
"""

import argparse
import asyncio
import sys

from services import telemetry
from services.config import Settings
from services.domain.errors import InterlockError
from services.krane.backends.opening import remove_all, stop_all
from services.krane.server import serve


def main() -> int:
    """Run one of the commands; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.krane", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "stop-all", "remove-all"], default="serve")
    command = parser.parse_args().command
    settings = Settings()
    telemetry.configure("krane", json=settings.log_json)
    log = telemetry.get_logger(__name__)
    try:
        if command == "serve":
            asyncio.run(serve(settings.data_dir, settings.krane))
        elif command == "stop-all":
            asyncio.run(stop_all(settings.data_dir, settings.krane))
            log.info("instances stopped")
        else:
            asyncio.run(remove_all(settings.data_dir, settings.krane))
            log.info("instances and images removed")
    except InterlockError as error:
        log.error("krane cannot run", reason=error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
