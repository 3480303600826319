"""What the engine itself says, asked without krane."""

import json
from typing import Any

import httpx

from tests.krane.installation import Kind


async def call(kind: Kind, method: str, path: str, **query: str) -> Any:
    """An answer of the engine."""
    transport = httpx.AsyncHTTPTransport(uds=str(kind.settings.docker_socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://docker", timeout=20) as client:
        answer = await client.request(method, path, params=query)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


async def containers(kind: Kind, instance_id: str) -> list[dict[str, Any]]:
    """The containers of an instance, inspected."""
    filters = json.dumps({"label": [f"interlock.instance-id={instance_id}"]})
    listed = await call(kind, "GET", "/containers/json", all="true", filters=filters)
    return [await call(kind, "GET", f"/containers/{one['Id']}/json") for one in listed]


async def container(kind: Kind, instance_id: str) -> dict[str, Any]:
    """The one container of an instance, inspected."""
    (only,) = await containers(kind, instance_id)
    return only
