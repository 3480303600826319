"""The endpoint: serves both durable services and registers them in Restate."""

import asyncio
import signal
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Never

from restate.server import install_shutdown_hook

import services
from services.config import Settings
from services.db.engine import Database
from services.deployment.effects import Effects
from services.deployment.reconcile import Reconciler
from services.deployment.service import DeploymentService
from services.deployment.watch import watch_instances
from services.domain.errors import InterlockError
from services.durable.client import RestateClient
from services.durable.failpoints import FailpointsOf, no_failpoints
from services.durable.serving import code_revision, endpoint_app, serve
from services.gateway.client import GatewayClient
from services.keyring import Keyring
from services.krane.client import KraneClient
from services.routing.service import RoutingService
from services.routing.transactions import RoutingTransactions
from services.telemetry import configure, get_logger

log = get_logger(__name__)

# Time between checks of the registration: while Restate does not answer, and while it does.
FIRST_REGISTRATION_SECONDS = 0.2
REGISTRATION_SECONDS = 5.0


async def keep_registered(restate: RestateClient, uri: str) -> Never:
    """Register this code in Restate, and again if Restate has lost its data."""
    is_down = False
    while True:
        try:
            if not await restate.is_registered(uri):
                log.info("registered with Restate", uri=uri, restate_deployment=await restate.register(uri))
            is_down = False
        except InterlockError as error:
            if not is_down:
                log.warning("cannot register with Restate yet", error=error.message)
            is_down = True
        await asyncio.sleep(FIRST_REGISTRATION_SECONDS if is_down else REGISTRATION_SECONDS)


def in_background(work: Coroutine[object, object, None], stop: asyncio.Event) -> asyncio.Task[None]:
    """Run an endless task. If a bug ends it, stop the process: a restart is safer than running without the task."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("background task failed", exc_info=task.exception())
            stop.set()

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


async def run_endpoint(settings: Settings, failpoints: FailpointsOf = no_failpoints) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure("endpoint", json=settings.log_json)
    database = Database(settings.database)
    krane, gateways = KraneClient(settings.krane.address), GatewayClient()
    transactions = RoutingTransactions(database, settings.apex)
    routing = RoutingService(
        database,
        gateways,
        transactions,
        timedelta(seconds=settings.deploy.gateway_timeout_seconds),
        failpoints,
    )
    effects = Effects.over(database, krane, Keyring(settings.secrets_dir), settings.apex, settings.deploy)
    deployment = DeploymentService(database, effects, routing, settings.deploy, failpoints)
    app = endpoint_app([deployment.object, routing.object], settings.restate.read_identity_key())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The SDK installs its own handler at the first request; this hook makes both run.
        install_shutdown_hook(asyncio.get_running_loop(), stop.set, number)
    revision = code_revision(Path(services.__file__).parent)
    uri = f"http://{settings.endpoint.host}:{settings.endpoint.port}/rev-{revision}"
    restate = RestateClient(settings.restate.ingress_url, settings.restate.admin_url)
    reconciler = Reconciler(database, restate, krane, effects, routing, transactions, settings.deploy)
    works = (keep_registered(restate, uri), watch_instances(database, krane), reconciler.run())
    background = [in_background(work, stop) for work in works]
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
        await restate.close()
        await krane.close()
        await gateways.close()
        await database.close()


if __name__ == "__main__":
    asyncio.run(run_endpoint(Settings()))
