"""The health probe of each part.

`python -m services.runtime.probes PART` probes one part of the configured installation; it exits with 0 if healthy.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from functools import partial

from services.config import Settings
from services.runtime.health import Probe, answers_ok, is_registered, serves_grpc


def probes_of(settings: Settings) -> Mapping[str, Probe]:
    """Return the probe of each part by name."""
    ingress, admin = settings.restate.ingress_url, settings.restate.admin_url
    return {
        "restate": partial(answers_ok, f"{admin}/health", f"{ingress}/restate/health"),
        "krane": partial(serves_grpc, settings.krane.address),
        "gateway": partial(serves_grpc, settings.gateway.agent_address),
        "envoy": partial(answers_ok, f"{settings.gateway.envoy_admin_url}/ready"),
        "endpoint": partial(_is_served_and_registered, settings),
        "ctrl": partial(serves_grpc, f"{settings.ctrl.host}:{settings.ctrl.grpc_port}"),
    }


async def _is_served_and_registered(settings: Settings) -> bool:
    url = f"http://{settings.endpoint.host}:{settings.endpoint.port}"
    return await answers_ok(f"{url}/health") and await is_registered(settings.restate.admin_url, url)


def main() -> int:
    """Probe the part named on the command line; returns the exit code."""
    probes = probes_of(Settings())
    parser = argparse.ArgumentParser(prog="python -m services.runtime.probes", description=__doc__)
    parser.add_argument("part", choices=list(probes))
    return 0 if asyncio.run(probes[parser.parse_args().part]()) else 1


if __name__ == "__main__":
    sys.exit(main())
