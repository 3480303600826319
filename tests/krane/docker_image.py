"""An image of the test app, made without any registry: this machine's Python, as far as the app needs it."""

import hashlib
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from functools import partial
from pathlib import Path

import httpx
import pip

APP = Path(__file__).parent / "app" / "app.py"
# What the app imports, so that the files behind it can be listed.
LOADED = """
import encodings.idna, http.server, json, os, pathlib, signal, subprocess, sys, time, urllib.parse
print(*(file for module in sys.modules.values() if (file := getattr(module, "__file__", None))), sep="\\n")
"""
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
BUILD_SECONDS = 60.0
CHUNK_BYTES = 256 * 1024
# Of npm: what it runs, and no manuals.
NODE_FILES = {".js", ".cjs", ".mjs", ".json"}
# Of the standard library and beside it: what neither pip nor an app of the tests imports.
UNUSED = {"test", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "site-packages", "pydoc_data"}


def ensure_image(socket: Path) -> str:
    """The tag of the image, which is imported into the engine when it does not have it."""
    digest = hashlib.sha256(APP.read_bytes() + Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    tag = f"interlock-test-app:{digest[:16]}"
    with _client(socket) as engine:
        is_there = engine.get(f"/images/{tag}/json").is_success
    if not is_there:
        changes = [
            f'CMD ["{PYTHON}", "-S", "/app/app.py", "--port=8080"]',
            "ENV PYTHONUNBUFFERED=1",
            """LABEL interlock.app='{"command": [], "settings": {"run": {"health_path": "/healthz"}}}'""",
            "WORKDIR /app",
            "VOLUME /scratch",
        ]
        python = {PYTHON, *_modules(), *_libraries([PYTHON, *_modules()])}
        files = {str(path).lstrip("/"): path.read_bytes() for path in sorted(python)}
        import_image(socket, tag, changes, {"app/app.py": APP.read_bytes(), **files})
    return tag


def ensure_base_image(socket: Path) -> str:
    """The tag of an image to build Python apps on: this machine's Python with pip, and no shell."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    tag = f"interlock-test-python:{digest[:16]}"
    with _client(socket) as engine:
        is_there = engine.get(f"/images/{tag}/json").is_success
    if not is_there:
        library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
        modules = [path for path in library.rglob("*.*") if path.suffix in (".py", ".so") and not _is_unused(path)]
        files = {str(path).lstrip("/"): path.read_bytes() for path in [*modules, *_libraries([PYTHON, *modules])]}
        packages = str(library / "site-packages").lstrip("/")
        pip_folder = Path(pip.__file__).parent
        files |= {
            f"{packages}/{path.relative_to(pip_folder.parent)}": path.read_bytes() for path in pip_folder.rglob("*.py")
        }
        folder = str(PYTHON.parent).lstrip("/")
        files |= {f"{folder}/{name}": PYTHON.read_bytes() for name in ("python", "python3")}
        changes = [f"ENV PATH={PYTHON.parent}", "ENV PYTHONDONTWRITEBYTECODE=1", 'CMD ["python"]']
        import_image(socket, tag, changes, files)
    return tag


def ensure_node_image(socket: Path) -> str:
    """The tag of an image to build Node apps on: this machine's Node and npm, and the shell that npm needs."""
    node, npm = _command("node"), _command("npm").parents[1]
    digest = hashlib.sha256(Path(__file__).read_bytes() + str(node.stat().st_mtime_ns).encode()).hexdigest()
    tag = f"interlock-test-node:{digest[:16]}"
    with _client(socket) as engine:
        is_there = engine.get(f"/images/{tag}/json").is_success
    if not is_there:
        shell, env = _command("sh"), _command("env")
        files = {
            "usr/bin/node": node.read_bytes(),
            "bin/sh": shell.read_bytes(),
            "usr/bin/env": env.read_bytes(),
            # Links are not imported; npm finds itself by its own folder.
            "usr/bin/npm": f"#!/usr/bin/node\nrequire({str(npm / 'lib' / 'cli.js')!r})(process)\n".encode(),
        }
        files |= {str(path).lstrip("/"): path.read_bytes() for path in _libraries([node, shell, env])}
        modules = (path for path in npm.rglob("*") if path.suffix in NODE_FILES and path.is_file())
        files |= {str(path).lstrip("/"): path.read_bytes() for path in modules}
        changes = ["ENV PATH=/usr/bin:/bin", "ENV npm_config_update_notifier=false", 'CMD ["node"]']
        import_image(socket, tag, changes, files)
    return tag


def import_image(socket: Path, tag: str, changes: list[str], files: dict[str, bytes]) -> None:
    """Make an image of files, all executable; `changes` are lines of a Dockerfile."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    query = (("fromSrc", "-"), ("repo", tag), *(("changes", change) for change in changes))
    with _client(socket) as engine:
        headers = {"Content-Type": "application/x-tar"}
        # In pieces: of a whole, httpx copies what is left each time that the socket takes a part.
        pieces = iter(partial(packed.read, CHUNK_BYTES), b"")
        answer = engine.post("/images/create", params=query, content=pieces, headers=headers)
    assert answer.is_success, answer.text


def derive_image(socket: Path, tag: str, base: str, lines: list[str]) -> None:
    """Make an image of another one with a few more lines of a Dockerfile, which run nothing."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        content = "\n".join([f"FROM {base}", *lines]).encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    with _client(socket) as engine:
        headers = {"Content-Type": "application/x-tar"}
        answer = engine.post("/build", params={"t": tag}, content=packed.getvalue(), headers=headers)
    assert answer.is_success, answer.text
    assert '"error"' not in answer.text, answer.text


def _client(socket: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://docker", timeout=BUILD_SECONDS)


def _command(name: str) -> Path:
    """The file behind a command of this machine."""
    found = shutil.which(name)
    assert found, f"{name} is not on the PATH"
    return Path(found).resolve()


def _is_unused(path: Path) -> bool:
    return not UNUSED.isdisjoint(path.parts)


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
