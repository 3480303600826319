"""Probes, against real servers."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import OVERALL_HEALTH
from grpc_health.v1.health import aio as health_aio

from services.runtime.health import answers_ok, is_registered, serves_grpc


@contextmanager
def http_server(answers: dict[str, bytes]) -> Generator[str]:
    """Answers each known path 200, others 404; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def test_http_is_healthy_when_every_url_answers_200() -> None:
    with http_server({"/health": b"", "/ready": b""}) as url:
        assert await answers_ok(f"{url}/health", f"{url}/ready")
        assert not await answers_ok(f"{url}/health", f"{url}/other")

    assert not await answers_ok(f"{url}/health")


async def test_grpc_is_healthy_when_it_says_serving() -> None:
    health = health_aio.HealthServicer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()

    await health.set(OVERALL_HEALTH, health_pb2.HealthCheckResponse.NOT_SERVING)
    assert not await serves_grpc(address)

    await health.set(OVERALL_HEALTH, health_pb2.HealthCheckResponse.SERVING)
    assert await serves_grpc(address)

    await server.stop(None)
    assert not await serves_grpc(address)


@pytest.mark.parametrize(
    ("answer", "registered"),
    [
        ({"deployments": [{"uri": "http://127.0.0.1:9080/"}]}, True),
        ({"deployments": [{"uri": "http://127.0.0.1:9080/rev-1/"}]}, True),
        ({"deployments": [{"uri": "http://127.0.0.1:90800/"}]}, False),
        ({"deployments": [{"arn": "a function elsewhere"}]}, False),
        ({"deployments": []}, False),
        ({"message": "not yet"}, False),
    ],
)
async def test_an_endpoint_is_registered_when_restate_lists_its_address(answer: object, registered: bool) -> None:
    with http_server({"/deployments": json.dumps(answer).encode()}) as admin_url:
        assert await is_registered(admin_url, "http://127.0.0.1:9080") is registered

    assert not await is_registered(admin_url, "http://127.0.0.1:9080")
