"""Following logs: lines as they come, over restarts of krane and ctrl, none lost and none twice."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

from services.ctrl.client import ControlClient
from services.domain.errors import Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb

RECONNECT_SECONDS = 0.5
# Of an outage.
GIVE_UP_SECONDS = 600.0


async def follow_logs(
    client: ControlClient,
    request: pb.FollowLogsRequest,
    show: Callable[[pb.FollowLogsResponse], None],
    say: Callable[[str], None],
) -> None:
    """Show the lines until there are no more. An outage is said once; raises Unavailable when it does not end."""
    # An outage from the beginning is for the user to know.
    await client.get_deployment(request.deployment_id)
    away_since: float | None = None
    while True:
        try:
            async with aclosing(client.follow_logs(request)) as lines:
                async for line in lines:
                    away_since = None
                    show(line)
                    request.after[line.instance_id] = line.cursor
                return
        except Unavailable as error:
            if away_since is None:
                away_since = time.monotonic()
                say(f"the log broke off, going on as soon as it can: {error.message}")
            if not request.follow or time.monotonic() - away_since > GIVE_UP_SECONDS:
                raise
        # What was begun has to be seen as a whole, of a log that had no line yet as well.
        request.tail_lines = 0
        await asyncio.sleep(RECONNECT_SECONDS)
