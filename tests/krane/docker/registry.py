"""A registry of one image, on loopback: real enough for the engine to pull from, or to be refused by."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
TLS_HANDSHAKE = b"\x16"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """Answers by path: (status, media type, body)."""

    def __init__(self, *, architecture: str = "amd64") -> None:
        # Layers and configurations come once it is set.
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.answers: dict[str, tuple[int, str, bytes]] = {"/v2/": (200, "application/json", b"{}")}
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as file:
            file.addfile(tarfile.TarInfo("empty"))
        layer = gzip.compress(tar.getvalue())
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {"Cmd": ["/empty"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar.getvalue())]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "size": len(config), "digest": _digest(config)},
                "layers": [{"mediaType": LAYER, "size": len(layer), "digest": _digest(layer)}],
            }
        ).encode()
        self.digest = _digest(manifest)
        for reference in ("1", self.digest):
            self.answers[f"/v2/app/manifests/{reference}"] = (200, MANIFEST, manifest)
        for blob in (config, layer):
            self.answers[f"/v2/app/blobs/{_digest(blob)}"] = (200, "application/octet-stream", blob)

    def refuse(self, path: str, status: int, code: str) -> None:
        """Answer a path with an error, as registries word it."""
        body = json.dumps({"errors": [{"code": code, "message": code.replace("_", " ").lower()}]}).encode()
        self.answers[path] = (status, "application/json", body)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, on a connection of its own. The engine tries TLS first, and plain HTTP on loopback alone."""
        first = await reader.read(1)
        if first in (b"", TLS_HANDSHAKE):
            return writer.close()
        method, path, _ = (first + await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
        if "/blobs/" in path:
            await self.is_open.wait()
        status, kind, body = self.answers.get(path, (404, "application/json", b'{"errors":[]}'))
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        head += f"Docker-Content-Digest: {_digest(body)}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n"
        writer.write(head.encode() + (b"" if method == "HEAD" else body))
        await writer.drain()
        return writer.close()


@asynccontextmanager
async def serving_registry(registry: Registry) -> AsyncGenerator[str]:
    """The host:port of a registry that serves."""
    async with await asyncio.start_server(registry.answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
