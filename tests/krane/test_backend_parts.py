"""What krane answers for a backend that lacks a part, or cannot say how things are."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

import pytest

from services.config import KraneSettings
from services.domain.errors import PreconditionFailed, Unavailable
from services.krane.backend import Backend, DeploymentBackend
from services.krane.client import KraneClient
from services.krane.server import serving
from services.krane.types import DeploymentState
from tests.krane.memory_backend import open_memory
from tests.krane.support import NAMESPACE, in_chunks, spec, with_run

SETTINGS = KraneSettings(port=0)


@pytest.fixture
async def backend() -> AsyncGenerator[Backend]:
    async with open_memory({}) as backend:
        yield backend


class DeploymentsAway:
    """An engine that does not answer."""

    async def list(self, namespace: str) -> list[DeploymentState]:
        raise Unavailable("the engine does not answer")


async def test_a_backend_without_builds_refuses_sources_and_builds_and_says_what_to_do(backend: Backend) -> None:
    async with serving(backend, SETTINGS) as address, KraneClient(address) as client:
        calls = (
            client.upload_source(in_chunks(b"a source")),
            client.start_build(NAMESPACE, "build-1", f"source@sha256:{'0' * 64}"),
            client.get_build(NAMESPACE, "build-1"),
            client.cancel_build(NAMESPACE, "build-1"),
        )
        for call in calls:
            with pytest.raises(PreconditionFailed, match="builds nothing: deploy an image"):
                await call


async def test_a_backend_without_volumes_has_none_and_refuses_to_run_with_one(backend: Backend) -> None:
    wanted = with_run(spec("volumes-1", f"memory@sha256:{'0' * 64}"), volumes=("data=/data",))
    async with serving(backend, SETTINGS) as address, KraneClient(address) as client:
        assert await client.list_volumes(NAMESPACE) == ()
        calls = (
            client.create(replace(wanted, volume_scope="production")),
            client.delete_volume(NAMESPACE, "production", "data"),
        )
        for call in calls:
            with pytest.raises(PreconditionFailed, match="keeps no volumes"):
                await call


async def test_a_backend_that_cannot_say_what_runs_is_unavailable_and_not_empty(backend: Backend) -> None:
    away = replace(backend, deployments=cast(DeploymentBackend, DeploymentsAway()))
    async with serving(away, SETTINGS) as address, KraneClient(address) as client:
        with pytest.raises(Unavailable, match="the engine does not answer"):
            await client.list()
