"""What of a client's request reaches an instance, through a real Envoy."""

import asyncio
import json
import socket

import pytest

from services.gateway.ingress import HOSTNAME_HEADER
from tests.gateway.backend import Backend
from tests.gateway.lab import Lab
from tests.gateway.test_behaviour import ask_raw

pytestmark = pytest.mark.envoy

HOSTNAME = "www.example.com"
CLAIMS = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
    "X-Real-IP": "6.6.6.6",
}
BAD_HOST = "400: The request's Host is missing, or is not a hostname with or without a port.\n"
LIMITS = "more than 500 headers, or 128 KiB of them"
BAD_ANSWER = (
    f"502: The instance behind this hostname did not answer in valid HTTP, or with {LIMITS}. "
    "One that speaks gRPC, or nothing but HTTP/2, needs the setting protocol=h2c.\n"
)


@pytest.fixture
async def served(lab: Lab, blue: Backend) -> Lab:
    """A gateway that leads one hostname to one instance."""
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})
    return lab


async def told(lab: Lab, host: str, headers: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """The headers that an instance gets of a request, but for the number that each request has."""
    url = f"http://127.0.0.1:{lab.settings.gateway.port}/request"
    response = await lab.http.get(url, headers={**(headers or {}), "Host": host})
    assert response.status_code == 200, response.text
    return [(name, value) for name, value in told_headers(response.text) if name != "x-request-id"]


def told_headers(body: str) -> list[tuple[str, str]]:
    """The headers in an instance's answer, their names in lower case."""
    _, *headers = json.loads(body)
    return [(name.lower(), value) for name, value in headers]


async def raw(lab: Lab, request: str) -> str:
    """What comes back for a request of exactly these bytes."""
    return (await asyncio.to_thread(ask_raw, lab.settings.gateway.port, request.encode())).decode()


@pytest.mark.parametrize(
    ("host", "port"),
    [
        (HOSTNAME, "80"),
        (f"{HOSTNAME}:8000", "8000"),
        ("WWW.Example.com", "80"),
        (f"{HOSTNAME}.", "80"),
        ("WWW.example.com.:8443", "8443"),
        (f"{HOSTNAME}:", "80"),
    ],
)
async def test_an_instance_is_told_host_as_it_was_sent_and_the_client_as_it_is(
    served: Lab, host: str, port: str
) -> None:
    headers = await told(served, host)

    assert [value for name, value in headers if name == "host"] == [host]
    assert {(name, value) for name, value in headers if name.startswith(("x-forwarded", "x-real", "forwarded"))} == {
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", host),
        ("x-forwarded-port", port),
    }
    assert not [name for name, _ in headers if name == HOSTNAME_HEADER or name.startswith("x-envoy")]


@pytest.mark.parametrize("host", [HOSTNAME, f"{HOSTNAME}:8000"])
async def test_what_a_client_claims_about_itself_is_removed(served: Lab, host: str) -> None:
    lies = CLAIMS | {name.replace("-", "_"): value for name, value in CLAIMS.items()}

    assert sorted(await told(served, host, lies)) == sorted(await told(served, host, {}))


async def test_a_client_does_not_choose_its_deployment_by_the_header_between_filters(
    lab: Lab, blue: Backend, green: Backend
) -> None:
    await lab.serve(
        {HOSTNAME: "dep-blue", "other.example.com": "dep-green"},
        {"dep-blue": [blue.address], "dep-green": [green.address]},
    )

    for host in ("nobody.example.com", "NOBODY.example.com:80", ""):
        answer = await raw(lab, f"GET / HTTP/1.1\r\nHost: {host}\r\n{HOSTNAME_HEADER}: {HOSTNAME}\r\n\r\n")
        assert "404: No deployment is assigned to this hostname." in answer
    answer = await raw(lab, f"GET / HTTP/1.1\r\nHost: other.example.com\r\n{HOSTNAME_HEADER}: {HOSTNAME}\r\n\r\n")
    assert answer.endswith("green")


async def test_a_host_with_more_than_a_port_is_refused(served: Lab) -> None:
    for host in (f"{HOSTNAME}:80:80", f"{HOSTNAME}:x@evil.example", f"{HOSTNAME}:80x"):
        answer = await raw(served, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert answer.startswith("HTTP/1.1 400"), host
        assert answer.endswith(BAD_HOST), host


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8000", "[fe80::1]:80", "127.0.0.1", "127.0.0.1:8000"])
async def test_an_address_has_no_deployment(served: Lab, host: str) -> None:
    answer = await served.get(host)

    assert (answer.status_code, answer.text) == (404, "404: No deployment is assigned to this hostname.\n")


async def test_a_request_with_a_whole_url_is_for_the_host_of_that_url(served: Lab) -> None:
    answer = await raw(served, f"GET http://{HOSTNAME}:81/request HTTP/1.1\r\nHost: nobody.example.com\r\n\r\n")

    body = answer.partition("\r\n\r\n")[2]
    assert json.loads(body)[0] == "GET /request HTTP/1.1"
    assert ("host", f"{HOSTNAME}:81") in told_headers(body)


async def test_http_1_0_is_answered_by_the_instance(served: Lab) -> None:
    # As nginx before 1.29, ab, and the checks of HAProxy ask.
    for method in ("GET", "OPTIONS"):
        answer = await raw(served, f"{method} / HTTP/1.0\r\nHost: {HOSTNAME}\r\n\r\n")
        head, _, body = answer.partition("\r\n\r\n")
        assert (head.split("\r\n")[0], body) == ("HTTP/1.0 200 OK", "blue")
        assert "connection: close" in head


async def test_a_stream_is_answered_to_http_1_0_without_chunks(served: Lab) -> None:
    def read() -> bytes:
        with socket.create_connection(("127.0.0.1", served.settings.gateway.port), timeout=5) as connection:
            connection.sendall(f"GET /events HTTP/1.0\r\nHost: {HOSTNAME}\r\n\r\n".encode())
            received = b""
            while received.count(b"data: blue\n\n") < 3:
                received += connection.recv(4096)
            return received

    head, _, body = (await asyncio.to_thread(read)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: blue\n\ndata: blue\n\n")


async def test_a_request_without_host_is_told_so(served: Lab) -> None:
    for version in ("1.0", "1.1"):
        answer = await raw(served, f"OPTIONS / HTTP/{version}\r\n\r\n")
        assert answer.startswith(f"HTTP/{version} 400")
        assert answer.endswith(BAD_HOST)


async def test_many_and_large_headers_pass_in_both_directions(served: Lab) -> None:
    sent = {f"x-{number}": "v" * 250 for number in range(400)}

    answer = await served.http.get(url(served, "/request"), headers={**sent, "Host": HOSTNAME})
    received = await served.get(HOSTNAME, "/headers?count=400&size=250")

    assert {name: value for name, value in told_headers(answer.text) if name in sent} == sent
    assert len([name for name in received.headers if name.startswith("x-")]) == 400


@pytest.mark.parametrize(("count", "size"), [(600, 1), (4, 40_000)])
async def test_a_request_with_too_many_or_too_large_headers_is_told_so(served: Lab, count: int, size: int) -> None:
    sent = {f"x-{number}": "v" * size for number in range(count)}

    answer = await served.http.get(url(served, "/"), headers={**sent, "Host": HOSTNAME})

    assert (answer.status_code, answer.text) == (431, f"431: The request has {LIMITS}.\n")


@pytest.mark.parametrize(("count", "size"), [(600, 1), (4, 40_000)])
async def test_an_answer_with_too_many_or_too_large_headers_is_told_so(served: Lab, count: int, size: int) -> None:
    answer = await served.get(HOSTNAME, f"/headers?count={count}&size={size}")

    assert (answer.status_code, answer.text) == (502, BAD_ANSWER)


async def test_an_instance_that_does_not_speak_http_is_told_so(served: Lab) -> None:
    answer = await served.get(HOSTNAME, "/nonsense")

    assert (answer.status_code, answer.text) == (502, BAD_ANSWER)


async def test_a_request_that_is_not_http_is_told_so(served: Lab) -> None:
    answer = await raw(served, f"GET / HTTP/1.1\r\nHost: {HOSTNAME}\r\nno header\r\n\r\n")

    assert answer.startswith("HTTP/1.1 400")
    assert answer.endswith("400: The request is not valid HTTP: http1.codec_error.\n")


def url(lab: Lab, path: str) -> str:
    return f"http://127.0.0.1:{lab.settings.gateway.port}{path}"
