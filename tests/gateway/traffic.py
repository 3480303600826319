"""Clients that never stop asking, to see every failure."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.gateway.lab import Lab, eventually

# Clients without any pause would starve what they watch on a small machine.
PAUSE_SECONDS = 0.002


@asynccontextmanager
async def traffic(lab: Lab, hostnames: list[str], clients: int = 1) -> AsyncGenerator[list[str]]:
    """Clients that walk over hostnames; yields the answers as they come, "<status> <body>"."""
    answers: list[str] = []

    async def walk() -> None:
        for hostname in itertools.cycle(hostnames):
            answer = await lab.get(hostname)
            answers.append(f"{answer.status_code} {answer.text}")
            await asyncio.sleep(PAUSE_SECONDS)

    tasks = [asyncio.create_task(walk()) for _ in range(clients)]
    yield answers
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


async def answered(answers: list[str], more: int) -> None:
    """Wait until clients got that many answers more."""
    goal = len(answers) + more

    async def enough() -> bool:
        return len(answers) >= goal

    await eventually(enough, f"{goal} answers")
