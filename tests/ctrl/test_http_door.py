import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.ctrl.control import CONTROL_SERVICE
from tests.ctrl.installation import IMAGE, Installation

JSON = {"content-type": "application/json"}


@pytest.fixture
async def http(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the HTTP door."""
    async with httpx.AsyncClient(base_url=installation.http_url, timeout=20) as client:
        yield client


async def test_health_is_ok(http: httpx.AsyncClient) -> None:
    response = await http.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("names", [("memory_mib", "health_path"), ("memoryMib", "healthPath")])
async def test_a_method_takes_either_spelling_and_answers_in_the_contracts(
    http: httpx.AsyncClient, project: str, names: tuple[str, str]
) -> None:
    body = {"project": project, "image": IMAGE, names[0]: 64, names[1]: "/healthz"}

    response = await call(http, "CreateDeployment", body)

    assert response.status_code == 200
    deployment = response.json()["deployment"]
    assert (deployment["project"], deployment["is_live"], deployment["steps"]) == (project, False, [])
    assert deployment["created_at_ms"].isdigit()


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [
        ("CreateProject", {"slug": "-"}, 400, "invalid"),
        ("GetDeployment", {"deployment_id": "d_unknown"}, 404, "not_found"),
        ("CreateProject", {"slug": "taken"}, 409, "conflict"),
        ("Rollback", {"project": "taken"}, 412, "precondition_failed"),
        ("Nonsense", {}, 404, "not_found"),
        ("UploadSource", {}, 404, "not_found"),
    ],
)
async def test_an_error_has_its_status_a_code_and_words(
    http: httpx.AsyncClient, method: str, body: dict[str, Any], status: int, code: str
) -> None:
    await call(http, "CreateProject", {"slug": "taken"})

    response = await call(http, method, body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "message"}
    assert response.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b'{"slug": 1}',
        b'{"slug": "a", "slug": "b"}',
        b'{"slug": "\\ud800"}',
        b'{"unknown": 1}',
        b'{"slug":' + b"[" * 100_000,
    ],
)
async def test_what_is_no_request_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/ctrl.v1.ControlService/CreateProject", content=body, headers=JSON)

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert len(response.content) < 2000


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_only_json_is_read(http: httpx.AsyncClient, content_type: str) -> None:
    response = await http.post(
        "/ctrl.v1.ControlService/ListProjects", content=b"{}", headers={"content-type": content_type}
    )

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


async def test_a_charset_beside_the_content_type_is_fine(http: httpx.AsyncClient) -> None:
    response = await http.post(
        "/ctrl.v1.ControlService/ListProjects",
        content=b"{}",
        headers={"content-type": "Application/JSON; charset=utf-8"},
    )

    assert response.status_code == 200


async def test_a_large_body_is_cut_off(http: httpx.AsyncClient) -> None:
    response = await call(http, "CreateProject", {"slug": "x" * (1024 * 1024)})

    assert (response.status_code, response.json()["code"]) == (413, "request_entity_too_large")


async def test_another_verb_is_refused(http: httpx.AsyncClient) -> None:
    response = await http.get("/ctrl.v1.ControlService/ListProjects")

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:4080", "", "[::2]"])
@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/ctrl.v1.ControlService/ListProjects"])
async def test_a_request_to_another_name_is_refused(http: httpx.AsyncClient, host: str, path: str) -> None:
    response = await http.request("GET", path, headers={"host": host})

    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4080", "127.0.0.1:1", "[::1]", "[::1]:4080"])
async def test_a_request_to_this_machine_is_served(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/health", headers={"host": host})).status_code == 200


async def test_openapi_describes_every_method_that_takes_one_message(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        f"/ctrl.v1.ControlService/{method.name}" for method in CONTROL_SERVICE.methods if not method.client_streaming
    }
    create = document["paths"]["/ctrl.v1.ControlService/CreateDeployment"]["post"]
    request = create["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert request["replicas"] == {"type": "integer"}
    listing = document["paths"]["/ctrl.v1.ControlService/ListDomains"]["post"]["responses"]["200"]
    domains = listing["content"]["application/json"]["schema"]["properties"]["domains"]
    words = ["commit", "branch", "environment", "live"]
    assert domains["items"]["properties"]["sticky"] == {"type": "string", "enum": words}


async def call(http: httpx.AsyncClient, method: str, body: dict[str, Any]) -> httpx.Response:
    return await http.post(f"/ctrl.v1.ControlService/{method}", content=json.dumps(body).encode(), headers=JSON)
