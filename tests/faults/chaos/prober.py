"""Requests every known hostname through the gateway during the whole run, at a limited rate."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Final

import httpx

from services.domain.status import DeploymentStatus
from tests.faults.chaos.history import NO_ANSWER, Clock, Probe
from tests.faults.chaos.sampler import Sampler

PROBES_PER_SECOND: Final = 25
TIMEOUT_SECONDS: Final = 5.0


class Prober:
    """Call `run()` beside everything else."""

    def __init__(self, gateway: str, sampler: Sampler, clock: Clock) -> None:
        self._gateway = gateway
        self._sampler = sampler
        self._clock = clock
        self.probes: list[Probe] = []

    async def run(self) -> None:
        """Probe until cancelled."""
        async with (
            httpx.AsyncClient(trust_env=False, verify=False, timeout=TIMEOUT_SECONDS) as client,
            asyncio.TaskGroup() as group,
        ):
            for number in count():
                targets = list(self._targets())
                if targets:
                    group.create_task(self._ask(client, *targets[number % len(targets)]))
                await asyncio.sleep(1 / PROBES_PER_SECOND)

    async def ask_all(self) -> list[Probe]:
        """Probe each hostname once."""
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=TIMEOUT_SECONDS) as client:
            return [await self._ask(client, *target) for target in self._targets()]

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Yield the hostnames that every gateway knows, each with the deployment of a commit hostname, else empty."""
        known = next((s for s in reversed(self._sampler.snapshots) if s.acknowledged >= s.revision), None)
        if known is not None:
            yield from ((hostname, "") for hostname in sorted(known.hostnames))
        for hostname, deployment_id in sorted(self._sampler.commit_hostnames.items()):
            if self._sampler.deployments[deployment_id].status is DeploymentStatus.READY:
                yield hostname, deployment_id

    async def _ask(self, client: httpx.AsyncClient, hostname: str, named_id: str) -> Probe:
        begin = self._clock.now()
        try:
            answer = await client.get(f"{self._gateway}/", headers={"host": hostname})
        except httpx.HTTPError as error:
            status, deployment_id, detail = NO_ANSWER, "", repr(error)
        else:
            status = answer.status_code
            deployment_id = _deployment_of(answer.json()["instance"]) if answer.is_success else ""
            detail = "" if answer.is_success else answer.text
        probe = Probe(
            hostname=hostname,
            span=self._clock.since(begin),
            status=status,
            deployment_id=deployment_id,
            named_id=named_id,
            detail=detail,
        )
        self.probes.append(probe)
        return probe


def _deployment_of(instance_id: str) -> str:
    return instance_id.rpartition("-")[0]
