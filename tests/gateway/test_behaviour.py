"""What clients of the gateway see, through a real Envoy."""

import asyncio
import json
import socket

import h2.config
import h2.connection
import h2.events
import pytest

from services.gateway.resources import own_scope_key
from tests.gateway.backend import Backend
from tests.gateway.lab import Lab, eventually, free_ports

pytestmark = pytest.mark.envoy

HOSTNAME = "www.example.com"


def ask_raw(port: int, data: bytes) -> bytes:
    """Send bytes as they are; returns what comes back first."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        return connection.recv(65536)


def ask_http2(port: int, authority: str) -> bytes:
    """Ask over HTTP/2 with an unchecked `:authority`; returns the body, empty when the stream was refused."""
    configuration = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    session = h2.connection.H2Connection(config=configuration)
    session.initiate_connection()
    headers = [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", "/")]
    session.send_headers(1, headers, end_stream=True)
    body = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(session.data_to_send())
        while data := connection.recv(65536):
            for event in session.receive_data(data):
                match event:
                    case h2.events.DataReceived():
                        body += event.data
                    case h2.events.StreamEnded() | h2.events.StreamReset() | h2.events.ConnectionTerminated():
                        return body
                    case _:
                        pass
    return body


async def test_an_unknown_hostname_is_answered_404_in_words(lab: Lab) -> None:
    answer = await lab.get("nobody.example.com")

    assert answer.status_code == 404
    assert answer.text == "404: No deployment is assigned to this hostname.\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_deployment_without_healthy_instances_is_answered_503_in_words(lab: Lab) -> None:
    await lab.serve({HOSTNAME: "empty"}, {"empty": ()})

    answer = await lab.get(HOSTNAME)

    assert answer.status_code == 503
    assert "no healthy instance" in answer.text


async def test_an_instance_that_cannot_be_reached_is_answered_503_in_words(lab: Lab) -> None:
    await lab.serve({HOSTNAME: "dead"}, {"dead": [f"127.0.0.1:{free_ports(1)[0]}"]})

    answer = await lab.get(HOSTNAME)

    assert answer.status_code == 503
    assert "could not be reached" in answer.text


async def test_an_instance_that_died_costs_no_request_while_another_one_lives(lab: Lab, blue: Backend) -> None:
    await lab.serve({HOSTNAME: "half"}, {"half": [f"127.0.0.1:{free_ports(1)[0]}", blue.address]})

    answers = [await lab.get(HOSTNAME) for _ in range(20)]

    assert {answer.text for answer in answers} == {"blue"}


async def test_what_an_instance_answers_is_left_alone(lab: Lab, blue: Backend) -> None:
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    answer = await lab.get(HOSTNAME, "/broken")

    assert (answer.status_code, answer.text) == (503, "blue is broken")
    assert answer.headers["server"] == "backend"
    assert not any(name.startswith("x-envoy") for name in answer.headers)


@pytest.mark.parametrize(
    "sent", ["www.example.com", "WWW.Example.COM", "www.example.com:80", "www.example.com.", "WWW.example.com.:8000"]
)
async def test_case_port_and_final_dot_of_a_hostname_do_not_matter(lab: Lab, blue: Backend, sent: str) -> None:
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    answer = await lab.get(sent)

    assert answer.text == "blue"


async def test_no_request_reaches_a_deployment_by_the_key_of_its_own_scope(lab: Lab, blue: Backend) -> None:
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})
    key, port = own_scope_key("dep-blue"), lab.settings.gateway.port

    def over_http1(host: str) -> bytes:
        return ask_raw(port, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert (await asyncio.to_thread(over_http1, HOSTNAME)).endswith(b"blue")
    for disguised in (key, key.replace("\n", "\r\n "), key.replace("\n", "%0A"), key.strip(), "deployment/dep-blue"):
        assert b"blue" not in await asyncio.to_thread(over_http1, disguised)

    assert await asyncio.to_thread(ask_http2, port, HOSTNAME) == b"blue"
    assert b"blue" not in await asyncio.to_thread(ask_http2, port, key)


async def test_the_access_log_says_which_deployment_answered_and_keeps_queries_out(lab: Lab, blue: Backend) -> None:
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})
    path = lab.settings.data_dir / "gateway" / lab.settings.gateway.id / "access.log"

    await lab.get(HOSTNAME, "/logged?token=secret")

    async def logged() -> bool:
        return "/logged" in path.read_text()

    await eventually(logged, "the request is in the access log")
    assert "secret" not in path.read_text()
    entry = json.loads(next(line for line in path.read_text().splitlines() if "/logged" in line))
    assert (entry["deployment_id"], entry["hostname"], entry["status"]) == ("dep-blue", HOSTNAME, 200)
    assert entry["instance"] == blue.address


async def test_a_second_envoy_cannot_share_the_port(lab: Lab) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

        with pytest.raises(OSError, match="Address already in use"):
            other.bind((lab.settings.gateway.host, lab.settings.gateway.port))
