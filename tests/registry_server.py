"""A private registry on loopback: Debian's docker-registry with one login."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from services.krane.types import HostCredential
from tests.restate_server import free_port

BINARY = "docker-registry"
USERNAME = "interlock"
PASSWORD = "s3cret-of-the-registry"
# The registry accepts only bcrypt.
HTPASSWD = f"{USERNAME}:$2b$04$skMgAU7POlzB02MbIgprX.ZvQ4SJNX/UJiAW4LXAz6s6GGuxV1nv6\n"
START_SECONDS = 10.0
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class RegistryServer:
    """One registry; every request needs the login."""

    def __init__(self, folder: Path, engine_socket: Path) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self.credential = HostCredential(host=self.host, username=USERNAME, password=PASSWORD)
        self._folder = folder
        self._engine_socket = engine_socket
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self._folder / "htpasswd").write_text(HTPASSWD)
        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}, "delete": {"enabled": True}},
            "auth": {"htpasswd": {"realm": "interlock", "path": str(self._folder / "htpasswd")}},
            "http": {"addr": self.host},
        }
        # JSON is YAML.
        (self._folder / "config.yml").write_text(json.dumps(config))
        with (self._folder / "log").open("ab") as log:
            argv = [BINARY, "serve", str(self._folder / "config.yml")]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it; pushed images stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def away(self) -> Generator[None]:
        """Suspend the registry for the block, so that it does not answer."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def push(self, image: str, name: str) -> str:
        """Move an image of the engine to the registry, as "team/app:1" for example; returns its digest."""
        repository, _, tag = name.partition(":")
        target = f"{self.host}/{repository}"
        with self._engine() as engine:
            tagged = engine.post(f"/images/{image}/tag", params={"repo": target, "tag": tag})
            assert tagged.is_success, tagged.text
            login = {"username": USERNAME, "password": PASSWORD, "serveraddress": self.host}
            auth = base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
            pushed = engine.post(f"/images/{target}/push", params={"tag": tag}, headers={"X-Registry-Auth": auth})
            lines: list[dict[str, Any]] = [json.loads(line) for line in pushed.text.splitlines()]
            assert not [line for line in lines if "error" in line], lines
        self.forget(f"{target}:{tag}")
        self.forget(image)
        return next(line["aux"]["Digest"] for line in lines if "aux" in line)

    def forget(self, image: str) -> None:
        """Remove an image from the engine, or only this name if it has others; succeeds if it does not exist."""
        with self._engine() as engine:
            removed = engine.delete(f"/images/{image}", params={"force": "true"})
            assert removed.is_success or removed.status_code == httpx.codes.NOT_FOUND, removed.text

    def _engine(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self._engine_socket))
        return httpx.Client(transport=transport, base_url="http://docker", timeout=60)

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"http://{self.host}/v2/", trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.UNAUTHORIZED


def is_installed() -> bool:
    """Return whether docker-registry is installed."""
    return shutil.which(BINARY) is not None
