"""The endpoint: serves both durable services and makes them known to Restate."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path

from restate.server import install_shutdown_hook

import services
from services.config import Settings
from services.db.engine import Database
from services.deployment.service import DeploymentService
from services.deployment.steps import DeploymentSteps
from services.deployment.watch import watch_instances
from services.domain.errors import InterlockError
from services.durable.client import RestateClient
from services.durable.serving import code_revision, endpoint_app, serve
from services.gateway.client import GatewayClient
from services.krane.client import KraneClient
from services.routing.service import RoutingService
from services.routing.transactions import RoutingTransactions
from services.telemetry import configure, get_logger

log = get_logger(__name__)


async def register(settings: Settings) -> None:
    """Tell Restate where this code is served, until it has heard."""
    revision = code_revision(Path(services.__file__).parent)
    uri = f"http://{settings.endpoint.host}:{settings.endpoint.port}/rev-{revision}"
    async with RestateClient(settings.restate.ingress_url, settings.restate.admin_url) as client:
        while True:
            try:
                deployment = await client.register(uri)
            except InterlockError as error:
                log.warning("cannot register with Restate yet", error=error.message)
                await asyncio.sleep(0.2)
                continue
            log.info("registered with Restate", uri=uri, restate_deployment=deployment)
            return


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings()
    configure("endpoint", json=settings.log_json)
    database = Database(settings.database)
    krane, gateways = KraneClient(settings.krane.address), GatewayClient()
    routing = RoutingService(
        database,
        gateways,
        RoutingTransactions(database, settings.apex),
        timedelta(seconds=settings.deploy.gateway_timeout_seconds),
    )
    steps = DeploymentSteps(database, krane, settings.apex, settings.deploy)
    deployment = DeploymentService(database, steps, routing, settings.deploy)
    app = endpoint_app([deployment.object, routing.object], settings.restate.identity_key)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The SDK installs a handler of its own with its first request; this way both run.
        install_shutdown_hook(asyncio.get_running_loop(), stop.set, number)
    background = [asyncio.create_task(register(settings)), asyncio.create_task(watch_instances(database, krane))]
    try:
        await serve(
            app,
            settings.endpoint.host,
            settings.endpoint.port,
            stop=stop,
            grace_seconds=settings.endpoint.grace_seconds,
        )
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await krane.close()
        await gateways.close()
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
