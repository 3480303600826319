"""Applications behind the gateway, and proxies in front of it, which it trusts or not."""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.apps import running_app
from tests.gateway.backend import Backend
from tests.gateway.lab import Lab, lab_settings, running_lab
from tests.gateway.test_behaviour import ask_raw
from tests.gateway.test_ingress import told_headers
from tests.nginx_server import nginx_in_front

pytestmark = pytest.mark.envoy

HOSTNAME = "www.example.com"
# A proxy that is trusted, and one that is not: both are this machine.
TRUSTED, OTHER = "127.0.0.2", "127.0.0.3"
TO_GATEWAY = "proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme;"
TO_GATEWAY += "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"


@pytest.fixture(scope="module")
async def trusting(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    """A gateway that trusts one proxy, and a network of others."""
    trusted = [f"{TRUSTED}/32", "10.0.0.0/8"]
    settings = lab_settings(tmp_path_factory.mktemp("trusting"), {"trusted_proxies": trusted})
    async with running_lab(settings) as lab:
        yield lab


@pytest.fixture
async def django(lab: Lab, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a Django project as it is begun."""
    async with running_app("django()", tmp_path / "django.log") as address:
        yield address


async def told(lab: Lab, source: str, headers: dict[str, str]) -> dict[str, str]:
    """What an instance is told of the client of a request that comes from an address of this machine."""
    transport = httpx.AsyncHTTPTransport(local_address=source)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
        url = f"http://127.0.0.1:{lab.settings.gateway.port}/request"
        response = await http.get(url, headers={"Host": HOSTNAME, **headers})
    told = told_headers(response.text)
    return {name: value for name, value in told if name.startswith(("x-forwarded", "x-real", "forwarded"))}


def as_told(client: str, proto: str, host: str, port: str) -> dict[str, str]:
    return {
        "x-forwarded-for": client,
        "x-real-ip": client,
        "x-forwarded-proto": proto,
        "x-forwarded-host": host,
        "x-forwarded-port": port,
    }


async def test_what_a_trusted_proxy_says_of_its_client_is_passed_on(trusting: Lab, blue: Backend) -> None:
    await trusting.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    assert await told(trusting, TRUSTED, said) == as_told("203.0.113.7", "https", HOSTNAME, "443")
    said |= {"X-Forwarded-Host": "shop.example.com", "X-Forwarded-Port": "8443", "Host": "WWW.example.com:8000"}
    assert await told(trusting, TRUSTED, said) == as_told("203.0.113.7", "https", "shop.example.com", "8443")
    assert await told(trusting, TRUSTED, {}) == as_told(TRUSTED, "http", HOSTNAME, "80")


async def test_the_client_is_the_last_address_that_is_no_trusted_proxy(trusting: Lab, blue: Backend) -> None:
    await trusting.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    # The first is the client's own claim, the last another proxy that is trusted.
    said = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.1.2.3", "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    assert await told(trusting, TRUSTED, said) == as_told("203.0.113.7", "http", HOSTNAME, "80")


async def test_what_anybody_else_says_is_removed_where_a_proxy_is_trusted(trusting: Lab, blue: Backend) -> None:
    await trusting.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    said = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    assert await told(trusting, OTHER, said) == as_told(OTHER, "http", HOSTNAME, "80")


async def test_both_kinds_of_peers_follow_a_hostname_at_once(trusting: Lab, blue: Backend, green: Backend) -> None:
    both = {"dep-blue": [blue.address], "dep-green": [green.address]}
    for name in ("blue", "green", "blue", "green"):
        await trusting.serve({HOSTNAME: f"dep-{name}"}, both)

        for source in (TRUSTED, OTHER):
            transport = httpx.AsyncHTTPTransport(local_address=source)
            async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
                url = f"http://127.0.0.1:{trusting.settings.gateway.port}/"
                assert (await http.get(url, headers={"Host": HOSTNAME})).text == name


async def test_django_behind_a_proxy_that_terminates_tls_does_not_redirect_for_ever(
    trusting: Lab, nginx: str, tmp_path: Path
) -> None:
    async with running_app("django()", tmp_path / "django.log", {"SSL": "1"}) as address:
        await trusting.serve({HOSTNAME: "dep-django"}, {"dep-django": [address]})
        gateway = f"127.0.0.1:{trusting.settings.gateway.port}"
        with nginx_in_front(tmp_path, gateway, f"proxy_bind {TRUSTED}; {TO_GATEWAY}", tls=True) as url:
            by_proxy = await asyncio.to_thread(ask, url)
        with nginx_in_front(tmp_path, gateway, f"proxy_bind {OTHER}; {TO_GATEWAY}", tls=True) as url:
            by_other = await asyncio.to_thread(ask, url)

    # Port 443 of the proxy is what the client came to, as far as the proxy said.
    assert (by_proxy.status_code, by_proxy.text) == (200, f"https://{HOSTNAME}/ for 127.0.0.1")
    assert (by_other.status_code, by_other.headers["location"]) == (301, f"https://{HOSTNAME}/")


async def test_nginx_with_its_own_defaults_reaches_an_instance(
    lab: Lab, blue: Backend, nginx: str, tmp_path: Path
) -> None:
    # HTTP/1.0, and as Host what proxy_pass names.
    await lab.serve({"localhost": "dep-blue"}, {"dep-blue": [blue.address]})

    with nginx_in_front(tmp_path, f"localhost:{lab.settings.gateway.port}", "", tls=False) as url:
        answer = await asyncio.to_thread(ask, f"{url}/request")

    assert ("host", f"localhost:{lab.settings.gateway.port}") in told_headers(answer.text)


async def test_django_takes_a_form_of_its_own_page_on_any_port(lab: Lab, django: str) -> None:
    host = f"{HOSTNAME}:8000"
    await lab.serve({HOSTNAME: "dep-django"}, {"dep-django": [django]})

    page = await lab.get(host, "/form")
    token = re.search('value="(.+?)"', page.text)
    assert token is not None
    answers = [
        await lab.http.post(
            f"http://127.0.0.1:{lab.settings.gateway.port}/form",
            headers={"Host": host, "Origin": origin, "Cookie": f"csrftoken={page.cookies['csrftoken']}"},
            data={"csrfmiddlewaretoken": token[1]},
        )
        for origin in (f"http://{host}", "http://evil.example:8000")
    ]

    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].text == "taken"
    assert (await lab.get(host)).text == f"http://{host}/ for 127.0.0.1"


async def test_a_page_opens_its_own_websocket_on_any_port(lab: Lab, tmp_path: Path) -> None:
    host = f"{HOSTNAME}:8000"
    async with running_app("starlette", tmp_path / "starlette.log") as address:
        await lab.serve({HOSTNAME: "dep-starlette"}, {"dep-starlette": [address]})

        own = await asyncio.to_thread(open_websocket, lab, host, f"http://{host}")
        other = await asyncio.to_thread(open_websocket, lab, host, "http://evil.example:8000")

    assert own.startswith(b"HTTP/1.1 101")
    assert other.startswith(b"HTTP/1.1 403")


def open_websocket(lab: Lab, host: str, origin: str) -> bytes:
    """The answer to what a browser sends for `new WebSocket`."""
    key = base64.b64encode(bytes(16)).decode()
    request = f"GET /chat HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    request += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    return ask_raw(lab.settings.gateway.port, request.encode())


def ask(url: str) -> httpx.Response:
    """Ask nginx for the hostname."""
    return httpx.get(url, headers={"Host": HOSTNAME}, verify=False, trust_env=False)
