"""The discovery service against a real Envoy, fed with resources that the rest of the gateway would never let pass."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,  # pyright: ignore[reportAttributeAccessIssue] -- has no type stubs
)

from services.config import GatewaySettings, Settings
from services.domain.routes import Route, RouteTable
from services.gateway import envoy_api
from services.gateway.home import gateway_home
from services.gateway.ingress import listener
from services.gateway.resources import all_resources
from services.gateway.snapshot import take_snapshot
from services.gateway.xds.cache import Resource, ResourceCache, ResourceKey, ResourceType, make_resource
from services.gateway.xds.service import METHOD, SERVICE, AggregatedDiscoveryService
from tests.gateway.backend import Backend
from tests.gateway.lab import eventually, lab_settings, running_envoy

pytestmark = pytest.mark.envoy

WAIT = timedelta(seconds=10)


def served(hostname: str, backend: Backend) -> list[Resource]:
    """A hostname that a backend answers."""
    id = f"dep-{backend.name}"
    route = Route(hostname=hostname, deployment_id=id)
    table = RouteTable(revision=0, routes=(route,), addresses={id: (backend.address,)})
    return all_resources(take_snapshot(table), GatewaySettings())


def scope(name: str, hostname: str, deployment_id: str) -> Resource:
    """A hostname's scope under a name of our choice."""
    content = envoy_api.ScopedRouteConfiguration(
        name=name, key={"fragments": [{"string_key": hostname}]}, route_configuration_name=deployment_id
    )
    return make_resource(ResourceType.SCOPE, name, content, needs=deployment_id)


def bad_cluster(name: str) -> Resource:
    """A cluster that Envoy refuses."""
    content = envoy_api.Cluster(name=name, type="EDS", connect_timeout=timedelta(seconds=-1))
    return make_resource(ResourceType.CLUSTER, name, content)


@asynccontextmanager
async def discovery(settings: Settings, cache: ResourceCache) -> AsyncGenerator[AggregatedDiscoveryService]:
    """A discovery service that listens."""
    access_log = gateway_home(settings) / "access.log"
    cache.commit(cache.revision, [listener(settings.gateway, access_log)])
    service = AggregatedDiscoveryService(cache, settings.gateway.id)
    server = grpc.aio.server()
    service.add_to(server)
    server.add_insecure_port(f"127.0.0.1:{settings.gateway.xds_port}")
    await server.start()
    yield service
    await server.stop(0)


async def answer(settings: Settings, hostname: str) -> str:
    """What a client gets, "<status> <body>"."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        response = await http.get(f"http://127.0.0.1:{settings.gateway.port}/", headers={"Host": hostname})
    return f"{response.status_code} {response.text}"


async def test_a_rejected_update_is_reported_and_the_last_good_one_stays(
    tmp_path: Path, blue: Backend, green: Backend
) -> None:
    settings, cache = lab_settings(tmp_path), ResourceCache()
    async with discovery(settings, cache) as service, running_envoy(settings):
        cache.commit(1, served("a.example.com", blue))
        assert await service.wait_acked(1, WAIT)

        twice = scope("another name", "a.example.com", "dep-green")
        cache.commit(2, [twice, *served("b.example.com", green)])
        assert not await service.wait_acked(2, WAIT)

        assert service.acked_revision == 1
        assert service.rejection is not None
        assert (service.rejection.revision, service.rejection.type) == (2, ResourceType.SCOPE)
        assert "conflict" in service.rejection.message
        assert await answer(settings, "a.example.com") == "200 blue"

        cache.commit(3, (), [twice.key])
        assert await service.wait_acked(3, WAIT)
        assert service.rejection is None
        assert await answer(settings, "b.example.com") == "200 green"


async def test_nothing_is_built_on_a_rejected_cluster(tmp_path: Path, blue: Backend) -> None:
    settings, cache = lab_settings(tmp_path), ResourceCache()
    async with discovery(settings, cache) as service, running_envoy(settings):
        cache.commit(1, served("a.example.com", blue))
        assert await service.wait_acked(1, WAIT)

        cache.commit(2, [bad_cluster("dep-bad"), scope("a.example.com", "a.example.com", "dep-bad")])
        assert not await service.wait_acked(2, WAIT)

        assert service.rejection is not None
        assert service.rejection.type is ResourceType.CLUSTER
        assert "Expected positive duration" in service.rejection.message
        assert await answer(settings, "a.example.com") == "200 blue"

        cache.commit(3, served("a.example.com", blue), [ResourceKey(ResourceType.CLUSTER, "dep-bad")])
        assert await service.wait_acked(3, WAIT)


async def test_a_port_that_is_taken_is_a_rejection_that_passes(tmp_path: Path, blue: Backend) -> None:
    settings, cache = lab_settings(tmp_path), ResourceCache()
    cache.commit(1, served("a.example.com", blue))
    squatter = socket.create_server(("127.0.0.1", settings.gateway.port))
    async with discovery(settings, cache) as service, running_envoy(settings):
        with squatter:
            assert not await service.wait_acked(1, WAIT)
            assert service.rejection is not None
            assert "Address already in use" in service.rejection.message

        async def acknowledged() -> bool:
            return await service.wait_acked(1, WAIT)

        await eventually(acknowledged, "Envoy got the port at a later try")
        assert await answer(settings, "a.example.com") == "200 blue"


async def test_a_changed_cluster_is_usable_when_it_is_acknowledged(tmp_path: Path, blue: Backend) -> None:
    settings, cache = lab_settings(tmp_path), ResourceCache()
    async with discovery(settings, cache) as service, running_envoy(settings):
        cache.commit(1, served("a.example.com", blue))
        assert await service.wait_acked(1, WAIT)
        ads = {"ads": {}, "resource_api_version": "V3"}
        content = envoy_api.Cluster(
            name="dep-blue", type="EDS", eds_cluster_config={"eds_config": ads}, connect_timeout=timedelta(seconds=3)
        )

        cache.commit(2, [make_resource(ResourceType.CLUSTER, "dep-blue", content, needs="dep-blue")])

        assert await service.wait_acked(2, timedelta(seconds=5))
        assert await answer(settings, "a.example.com") == "200 blue"


@pytest.mark.parametrize(
    ("node", "type_url", "reason"),
    [
        ("somebody else", ResourceType.CLUSTER, "this agent serves 'gw-1'"),
        ("gw-1", "type.googleapis.com/envoy.Unknown", "does not use that type"),
    ],
)
async def test_a_stranger_is_not_served(tmp_path: Path, node: str, type_url: str, reason: str) -> None:
    settings = lab_settings(tmp_path)
    async with (
        discovery(settings, ResourceCache()) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{settings.gateway.xds_port}") as channel,
    ):
        stream = channel.stream_stream(
            f"/{SERVICE}/{METHOD}", request_serializer=DeltaDiscoveryRequest.SerializeToString
        )(timeout=5)
        await stream.write(DeltaDiscoveryRequest(node={"id": node}, type_url=type_url))

        with pytest.raises(grpc.aio.AioRpcError, match=reason):
            await stream.read()
        assert service.acked_revision is None
