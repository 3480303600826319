"""Health probes for parts. A probe returns True or False within a second and never raises."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus

import grpc
import httpx
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME
from pydantic import BaseModel, ValidationError

Probe = Callable[[], Coroutine[object, object, bool]]

PROBE_TIMEOUT_SECONDS = 1.0


class _RegisteredEndpoint(BaseModel):
    uri: str = ""


class _RegisteredEndpoints(BaseModel):
    deployments: list[_RegisteredEndpoint]


async def answers_ok(*urls: str) -> bool:
    """Return whether every URL answers with status 200."""
    try:
        async with _http_client() as client:
            return all([(await client.get(url)).status_code == HTTPStatus.OK for url in urls])
    except httpx.HTTPError:
        return False


async def serves_grpc(address: str) -> bool:
    """Return whether the server at host:port reports SERVING over grpc.health.v1."""
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(
            f"/{SERVICE_NAME}/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def is_registered(admin_url: str, endpoint_url: str) -> bool:
    """Return whether an endpoint at `endpoint_url`, or at a path below it, is registered in Restate."""
    try:
        async with _http_client() as client:
            answer = await client.get(f"{admin_url}/deployments")
        known = _RegisteredEndpoints.model_validate_json(answer.content)
    except (httpx.HTTPError, ValidationError):
        return False
    return any(endpoint.uri.startswith(f"{endpoint_url}/") for endpoint in known.deployments)


def _http_client() -> httpx.AsyncClient:
    # Parts are on this machine: no proxy is needed, and loading certificates would take longer than the probe.
    return httpx.AsyncClient(timeout=PROBE_TIMEOUT_SECONDS, trust_env=False, verify=False)
