"""Applications as people bring them, which look at where a request says that it comes from. Served by Hypercorn."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.gateway.lab import eventually, free_ports, stop_process

FORM = "<form method=post>{% csrf_token %}</form>"


def form(request: HttpRequest) -> HttpResponse:
    """A form; what it is sent, it only takes from its own pages."""
    if request.method == "POST":
        return HttpResponse(b"taken")
    return HttpResponse(engines["django"].from_string(FORM).render({}, request).encode())


def home(request: HttpRequest) -> HttpResponse:
    """What Django makes of the request."""
    return HttpResponse(f"{request.build_absolute_uri()} for {request.META['HTTP_X_FORWARDED_FOR']}".encode())


urlpatterns = [path("form", form), path("", home)]


def django() -> object:
    """A Django project as it is begun, behind TLS when SSL=1."""
    settings.configure(
        SECRET_KEY="not a secret",
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=[".example.com"],
        SECURE_SSL_REDIRECT=environ.get("SSL") == "1",
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    )
    return get_asgi_application()


async def chat(socket: WebSocket) -> None:
    """Accept a page's own websockets alone, as Streamlit and aiohttp's demos do."""
    if urlsplit(socket.headers["origin"]).netloc != socket.headers["host"]:
        await socket.close()
        return
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


def http2_only(request: Request) -> Response:
    """Take HTTP/2 alone."""
    return Response(status_code=200 if request.scope["http_version"] == "2" else 505)


starlette = Starlette(routes=[WebSocketRoute("/chat", chat), Route("/http2", http2_only)])


@asynccontextmanager
async def running_app(name: str, log: Path, environment: Mapping[str, str] | None = None) -> AsyncGenerator[str]:
    """One of the applications above; yields its address. A factory is called `name()`."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    argv = [sys.executable, "-m", "hypercorn", f"tests.gateway.apps:{name}", "--bind", address, "--access-logfile", "-"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *argv, env={**environ, **(environment or {})}, stdout=output, stderr=output
        )

    async def listens() -> bool:
        assert process.returncode is None, _text(log)
        return "Running on" in _text(log)

    try:
        await eventually(listens, f"{name} listens")
        yield address
    finally:
        await stop_process(process)


def _text(file: Path) -> str:
    return file.read_text()
