"""A small client of the Docker Engine API over its unix socket, with only the calls that krane needs.

Every call has a time limit. `problems` maps the engine's refusals to errors; an engine that does not answer raises
Unavailable. A missing object is returned as None where that is a valid answer. The client negotiates the API version on
its first call, and again after the engine was down.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from services.domain.errors import Conflict, NotFound, Unavailable
from services.krane.backends.docker.log_frames import LogFrames
from services.krane.backends.docker.problems import engine_problem, pull_problem
from services.krane.backends.docker.shapes import (
    BuildProgress,
    ContainerDetails,
    ContainerSummary,
    Created,
    EngineVersion,
    Event,
    ImageDetails,
    ImageSummary,
    Problem,
    PullProgress,
    RegistryImage,
    VolumeList,
    VolumeSummary,
)

Shape = TypeVar("Shape", bound=BaseModel)

# The newest API version that this client knows. Current engines refuse versions before 1.44.
API_VERSION = (1, 44)
# API version of Docker Engine 18.09, on Linux.
FIRST_WITH_BUILDKIT = (1, 39)
CALL_SECONDS = 20.0
PULL_SECONDS = 600.0
# Removing many layers takes time, but the caller of a prune should not wait longer than this.
TRIM_SECONDS = 20.0
# Shorter than callers wait, so that their error names the registry that does not answer.
REGISTRY_SECONDS = 8.0
# In addition to the grace period: the engine kills the container and records its exit.
KILL_SECONDS = 10.0
SUMMARIES = TypeAdapter(list[ContainerSummary])
LOG_QUERY = {"stdout": "true", "stderr": "true", "timestamps": "true"}
IMAGES = TypeAdapter(list[ImageSummary])


class Engine:
    """One Docker Engine."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        # No kept connection: a restarted engine would break it, and the next call would fail.
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket), limits=httpx.Limits(max_keepalive_connections=0)),
            base_url="http://docker",
            timeout=None,
        )
        self._version: EngineVersion | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def version(self) -> EngineVersion:
        """Return the engine's version and platform."""
        if self._version is None:
            response = await self._send("ask for its version", "GET", "/version")
            self._version = EngineVersion.model_validate_json(response.content)
        return self._version

    async def has_buildkit(self) -> bool:
        """Return whether the engine can build with BuildKit."""
        return _numbers((await self.version()).api_version) >= FIRST_WITH_BUILDKIT

    async def list_containers(self, labels: Mapping[str, str]) -> list[ContainerSummary]:
        """Return every container with all of the labels, running or not."""
        query = {"all": "true", "filters": json.dumps({"label": _label_filter(labels)})}
        response = await self._call("list containers", "GET", "/containers/json", params=query)
        return SUMMARIES.validate_json(response.content)

    async def inspect_container(self, name: str) -> ContainerDetails | None:
        """Return a container by id or name; None if it does not exist."""
        try:
            response = await self._call(f"look at container {name}", "GET", f"/containers/{name}/json")
        except NotFound:
            return None
        return ContainerDetails.model_validate_json(response.content)

    async def create_container(self, name: str, config: Mapping[str, JsonValue]) -> str:
        """Create a container; returns its id. Raises Conflict if the name is taken, NotFound without the image."""
        response = await self._call(
            f"create container {name}", "POST", "/containers/create", params={"name": name}, body=config
        )
        return Created.model_validate_json(response.content).id

    async def start_container(self, container_id: str) -> None:
        """Start a container; succeeds if it runs. Raises PortTaken if its port is taken."""
        await self._call(f"start container {container_id}", "POST", f"/containers/{container_id}/start")

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Stop a container: SIGTERM, then SIGKILL after the grace period. Returns when it has ended or is gone."""
        # The engine takes whole seconds, and 0 means "at once".
        grace = max(1, round(grace_seconds))
        try:
            await self._call(
                f"stop container {container_id}",
                "POST",
                f"/containers/{container_id}/stop",
                params={"t": str(grace)},
                seconds=grace + KILL_SECONDS,
            )
        except NotFound:
            return

    async def rename_container(self, container_id: str, name: str) -> None:
        """Rename a container."""
        await self._call(
            f"rename container {container_id}", "POST", f"/containers/{container_id}/rename", params={"name": name}
        )

    async def remove_container(self, container_id: str) -> None:
        """Remove a container with its anonymous volumes, even if it runs; succeeds if it is gone."""
        try:
            await self._call(
                f"remove container {container_id}",
                "DELETE",
                f"/containers/{container_id}",
                params={"force": "true", "v": "true"},
            )
        except NotFound:
            return

    async def container_log(self, container_id: str, lines: int | None = None) -> bytes:
        """Return a container's stamped output of both streams, all or the newest lines; empty if it is gone."""
        query = {**LOG_QUERY, "tail": "all" if lines is None else str(lines)}
        try:
            response = await self._call(
                f"read the log of container {container_id}", "GET", f"/containers/{container_id}/logs", params=query
            )
        except (NotFound, Conflict):
            return b""
        frames = LogFrames()
        return frames.feed(response.content) + frames.end()

    async def follow_container_log(self, container_id: str, since_ns: int) -> AsyncGenerator[bytes]:
        """Yield a container's stamped output from `since_ns` on, until it ends or is gone.

        `since_ns` is in nanoseconds since the epoch.
        """
        seconds, nanoseconds = divmod(since_ns, 1_000_000_000)
        query = {**LOG_QUERY, "follow": "true", "since": f"{seconds}.{nanoseconds:09d}"}
        path = f"/containers/{container_id}/logs"
        frames = LogFrames()
        async with self._stream("GET", path, query, {}, None) as response:
            if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                return
            if response.is_error:
                raise engine_problem(f"follow {path}", response.status_code, _message(await response.aread()))
            async for data in response.aiter_bytes():
                yield frames.feed(data)

    async def inspect_image(self, name: str) -> ImageDetails | None:
        """Return an image that the engine has, by id, digest or tag; None if it has none."""
        try:
            response = await self._call(f"look at image {name}", "GET", f"/images/{name}/json")
        except NotFound:
            return None
        return ImageDetails.model_validate_json(response.content)

    async def ask_registry(self, name: str, *, registry_auth: str = "") -> RegistryImage:
        """Return what the registry has under an image's name, without a pull. `registry_auth` is as for a pull.

        Raises PreconditionFailed if the registry refuses, Unavailable if it does not answer.
        """
        path = await self._versioned(f"/distribution/{name}/json")
        async with self._answering(f"ask the registry for {name}", REGISTRY_SECONDS):
            response = await self._client.get(path, headers=_auth_header(registry_auth))
        if response.is_error:
            raise pull_problem(name, _message(response.content))
        return RegistryImage.model_validate_json(response.content)

    async def list_volumes(self, labels: Mapping[str, str]) -> list[VolumeSummary]:
        """Return every volume with all of the labels."""
        query = {"filters": json.dumps({"label": _label_filter(labels)})}
        response = await self._call("list volumes", "GET", "/volumes", params=query)
        return VolumeList.model_validate_json(response.content).volumes or []

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; succeeds if it is gone. Raises Conflict while a container names it."""
        try:
            await self._call(f"remove volume {name}", "DELETE", f"/volumes/{name}")
        except NotFound:
            return

    async def list_images(self, labels: Mapping[str, str], *, with_layers: bool = False) -> list[ImageSummary]:
        """Return every image with all of the labels; with `with_layers`, also their untagged layers."""
        query = {"all": str(with_layers).lower(), "filters": json.dumps({"label": _label_filter(labels)})}
        response = await self._call("list images", "GET", "/images/json", params=query)
        return IMAGES.validate_json(response.content)

    async def remove_image(self, image_id: str) -> None:
        """Remove one image, but not its layers that are images too; succeeds if it is gone.

        Raises Conflict while a container or another image uses it.
        """
        try:
            await self._call(f"remove image {image_id}", "DELETE", f"/images/{image_id}", params={"noprune": "true"})
        except NotFound:
            return

    @asynccontextmanager
    async def build(
        self, query: Mapping[str, str], context: AsyncIterable[bytes] | None = None, *, registry_config: str = ""
    ) -> AsyncGenerator[AsyncGenerator[BuildProgress]]:
        """Build an image from a tar, or from a session. The build ends if the caller stops reading.

        A failed build is reported by the last line. `registry_config` is the base64 of X-Registry-Config, which only
        the classic builder reads; empty = anonymous.
        """
        headers = {"Content-Type": "application/x-tar"} if context else {}
        if registry_config:
            headers["X-Registry-Config"] = registry_config
        async with self._stream("POST", "/build", query, headers, None, context) as response:
            yield _progress(response)

    @asynccontextmanager
    async def session(
        self, session_id: str, methods: Iterable[str]
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a connection on which BuildKit, as an HTTP/2 client, calls these methods for builds of the session."""
        head = [
            f"POST {await self._versioned('/session')} HTTP/1.1",
            "Host: docker",
            "Content-Length: 0",
            "Connection: Upgrade",
            "Upgrade: h2c",
            f"X-Docker-Expose-Session-Uuid: {session_id}",
            # BuildKit reuses files of earlier sessions with the same key, and takes files of the same size and time for
            # unchanged. So each session has its own key.
            f"X-Docker-Expose-Session-Sharedkey: {session_id}",
            "X-Docker-Expose-Session-Name: interlock",
            *(f"X-Docker-Expose-Session-Grpc-Method: {method}" for method in methods),
        ]
        what = "open a session"
        async with self._answering(what, CALL_SECONDS):
            reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            async with self._answering(what, CALL_SECONDS):
                writer.write("\r\n".join([*head, "", ""]).encode())
                status, _, _ = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            if b" 101 " not in status:
                raise Unavailable(f"{what}: the Docker Engine answered {status.decode(errors='replace')[:120]}")
            yield reader, writer
        finally:
            # abort, not close: nobody waits for data that the engine does not read.
            writer.transport.abort()

    async def cancel_build(self, build_id: str) -> None:
        """Cancel the build with this `buildid`; succeeds if it has ended."""
        await self._call("cancel a build", "POST", "/build/cancel", params={"id": build_id})

    async def trim_build_cache(self, keep_bytes: int) -> None:
        """Shrink BuildKit's cache to this size, least recently used first. What is in use stays."""
        query = {"keep-storage": str(keep_bytes)}
        await self._call("trim the build cache", "POST", "/build/prune", params=query, seconds=TRIM_SECONDS)

    async def pull_image(self, name: str, *, registry_auth: str = "") -> None:
        """Pull an image. `registry_auth` is the base64 of X-Registry-Auth; empty = anonymous.

        Raises PreconditionFailed if the registry refuses, Unavailable if it does not answer.
        """
        query, headers = {"fromImage": name}, _auth_header(registry_auth)
        async with self._stream("POST", "/images/create", query, headers, PULL_SECONDS) as response:
            if response.is_error:
                raise pull_problem(name, _message(await response.aread()))
            async for line in response.aiter_lines():
                progress = PullProgress.model_validate_json(line)
                if progress.error:
                    raise pull_problem(name, progress.error)

    @asynccontextmanager
    async def events(self, labels: Mapping[str, str]) -> AsyncGenerator[AsyncGenerator[Event]]:
        """Yield events of containers with all of the labels until the engine goes away: end, out of memory, removal."""
        filters = {"type": ["container"], "event": ["die", "destroy", "oom"], "label": _label_filter(labels)}
        async with self._stream("GET", "/events", {"filters": json.dumps(filters)}, {}, None) as response:
            if response.is_error:
                raise engine_problem("follow events", response.status_code, _message(await response.aread()))
            yield (Event.model_validate_json(line) async for line in response.aiter_lines())

    async def _call(
        self,
        what: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> httpx.Response:
        return await self._send(what, method, await self._versioned(path), params, body, seconds)

    async def _send(
        self,
        what: str,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, JsonValue] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> httpx.Response:
        async with self._answering(what, seconds):
            response = await self._client.request(method, path, params=params, json=body)
        if response.is_error:
            raise engine_problem(what, response.status_code, _message(response.content))
        return response

    @asynccontextmanager
    async def _stream(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        seconds: float | None,
        content: AsyncIterable[bytes] | None = None,
    ) -> AsyncGenerator[httpx.Response]:
        versioned = await self._versioned(path)
        async with (
            self._answering(f"answer {path}", seconds),
            self._client.stream(method, versioned, params=params, headers=headers, content=content) as response,
        ):
            yield response

    @asynccontextmanager
    async def _answering(self, what: str, seconds: float | None) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise Unavailable(f"{what}: the Docker Engine did not answer within {seconds} s") from error
        except (httpx.TransportError, OSError, EOFError) as error:
            # The engine may come back in another version.
            self._version = None
            raise Unavailable(f"{what}: nothing answers at {self._socket}: start the Docker Engine") from error

    async def _versioned(self, path: str) -> str:
        """Return the path with the newest API version that both sides know."""
        version = await self.version()
        newest, oldest = _numbers(version.api_version), _numbers(version.min_api_version)
        major, minor = min(newest, max(API_VERSION, oldest))
        return f"/v{major}.{minor}{path}"


async def _progress(response: httpx.Response) -> AsyncGenerator[BuildProgress]:
    if response.is_error:
        yield BuildProgress(error=_message(await response.aread()))
        return
    async for line in response.aiter_lines():
        yield BuildProgress.model_validate_json(line)


def _auth_header(registry_auth: str) -> dict[str, str]:
    return {"X-Registry-Auth": registry_auth} if registry_auth else {}


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _label_filter(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in labels.items()]


def _message(body: bytes) -> str:
    try:
        return Problem.model_validate_json(body).message
    except ValidationError:
        return body.decode(errors="replace")
