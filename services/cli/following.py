"""Follow logs across restarts of krane and ctrl, without losing or repeating a line."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

from services.ctrl.client import ControlClient
from services.domain.errors import Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb

RECONNECT_SECONDS = 0.5
# An outage that lasts longer ends the command.
GIVE_UP_SECONDS = 600.0


async def follow_logs(
    client: ControlClient,
    request: pb.FollowLogsRequest,
    show: Callable[[pb.FollowLogsResponse], None],
    say: Callable[[str], None],
) -> None:
    """Show lines until the log ends. Reports an outage once; raises Unavailable if it does not end."""
    # If ctrl is unavailable from the start, fail at once instead of retrying.
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
                say(f"lost the connection to the log, retrying: {error.message}")
            if not request.follow or time.monotonic() - away_since > GIVE_UP_SECONDS:
                raise
        # A tail now would skip lines of logs that have shown no line yet.
        request.tail_lines = 0
        await asyncio.sleep(RECONNECT_SECONDS)
