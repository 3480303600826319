"""A real nginx in front of something, on loopback: speaking TLS, or plain HTTP."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.git_repository import self_signed
from tests.restate_server import free_port

START_SECONDS = 10.0
# All that nginx would otherwise write where the system keeps such things.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx_in_front(folder: Path, upstream: str, location: str, *, tls: bool) -> Generator[str]:
    """Serve what `upstream` (host:port) answers; yields the URL. `location` is how requests are passed on."""
    port = free_port()
    certificate = self_signed(folder)
    listen = f"listen 127.0.0.1:{port}" + (
        f" ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}" * tls
    )
    temporary = " ".join(f"{name}_temp_path {folder / name};" for name in TEMPORARY)
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; {temporary}\n"
        f"  server {{ {listen}; location / {{ proxy_pass http://{upstream}; {location} }} }} }}\n"
    )
    argv = [nginx(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        _wait_for(process, port, folder / "error.log")
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) != 0:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


def nginx() -> str:
    """Where nginx is; empty when it is not installed. It is no program for users: their PATH may not lead there."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or ""
