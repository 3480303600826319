"""An image of the test app, made without any registry: this machine's Python, as far as the app needs it."""

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx

APP = Path(__file__).parent / "app" / "app.py"
# What the app imports, so that the files behind it can be listed.
LOADED = """
import encodings.idna, http.server, json, os, pathlib, subprocess, sys, time, urllib.parse
print(*(file for module in sys.modules.values() if (file := getattr(module, "__file__", None))), sep="\\n")
"""
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
BUILD_SECONDS = 60.0


def ensure_image(socket: Path) -> str:
    """The tag of the image, which is imported into the engine when it does not have it."""
    digest = hashlib.sha256(APP.read_bytes() + Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    tag = f"interlock-test-app:{digest[:16]}"
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://docker", timeout=BUILD_SECONDS) as engine:
        if engine.get(f"/images/{tag}/json").is_error:
            _import(engine, tag)
    return tag


def _import(engine: httpx.Client, tag: str) -> None:
    changes = [
        f'CMD ["{PYTHON}", "-S", "/app/app.py", "--port=8080"]',
        "ENV PYTHONUNBUFFERED=1",
        'LABEL "interlock.health-path"="/healthz"',
        "WORKDIR /app",
        "VOLUME /scratch",
    ]
    query = [("fromSrc", "-"), ("repo", tag), *(("changes", change) for change in changes)]
    answer = engine.post(
        "/images/create", params=tuple(query), content=_files(), headers={"Content-Type": "application/x-tar"}
    )
    assert answer.is_success, answer.text


def _files() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(APP, "app/app.py")
        for path in sorted({PYTHON, *_modules(), *_libraries([PYTHON, *_modules()])}):
            tar.add(path.resolve(), str(path).lstrip("/"))
    return packed.getvalue()


def _modules() -> set[Path]:
    command = [str(PYTHON), "-I", "-S", "-c", LOADED]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    encodings = Path(next(name for name in listed if name.endswith("encodings/__init__.py"))).parent
    return {Path(name) for name in listed} | set(encodings.glob("*.py"))


def _libraries(paths: list[Path]) -> set[Path]:
    """What the dynamic linker loads for them."""
    binaries = [str(path) for path in paths if path.suffix != ".py"]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=True).stdout
    return {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}
