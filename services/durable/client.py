"""Client of a Restate server: calls handlers through its ingress, and uses its admin API.

It raises the domain's errors: the refusal of a handler with its message, Unavailable if the server does not answer, and
DeadlineExceeded if a wait expires (the invocation continues).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from services.domain.errors import (
    Conflict,
    DeadlineExceeded,
    InterlockError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unavailable,
)

_BY_STATUS: dict[int, type[InterlockError]] = {
    400: Invalid,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    503: Unavailable,
    504: DeadlineExceeded,
}
_INVOCATION_ID = re.compile(r"inv_[A-Za-z0-9]{10,60}")
_QUICK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """An invocation as reported by Restate."""

    id: str
    # pending, scheduled, ready, running, suspended, backing-off, paused or completed
    status: str
    handler: str
    key: str
    # Error of the last attempt; empty if it did not fail.
    last_failure: str
    # success or failure once completed; empty before.
    result: str
    # Last change of its journal or status, UTC; failed attempts do not count.
    progressed_at: datetime


class RestateClient:
    """A client; use it as an async context manager, or call `close()`."""

    def __init__(self, ingress_url: str, admin_url: str) -> None:
        self._ingress = _http_client(ingress_url)
        self._admin = _http_client(admin_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._ingress.aclose()
        await self._admin.aclose()

    # -- ingress ----------------------------------------------------------------------------------------------------

    async def call(
        self,
        service: str,
        key: str,
        handler: str,
        body: bytes,
        *,
        content_type: str = "application/protobuf",
        idempotency_key: str | None = None,
        timeout: timedelta,
    ) -> bytes:
        """Call a handler of a virtual object and return its answer, encoded like the call. Raises its refusal."""
        headers = _headers(content_type, idempotency_key)
        path = f"/{service}/{quote(key, safe='')}/{handler}"
        response = await _request(self._ingress, "POST", path, timeout=timeout, content=body, headers=headers)
        return response.content

    async def send(
        self, service: str, key: str, handler: str, body: bytes, *, idempotency_key: str | None = None
    ) -> str:
        """Send a call without waiting; returns the invocation id. A repeated idempotency key makes no second call."""
        headers = _headers("application/protobuf", idempotency_key)
        path = f"/{service}/{quote(key, safe='')}/{handler}/send"
        response = await _request(self._ingress, "POST", path, timeout=_QUICK, content=body, headers=headers)
        return str(response.json()["invocationId"])

    async def attach(self, invocation_id: str, *, timeout: timedelta) -> bytes:
        """Wait for the answer of an earlier invocation. Raises its refusal."""
        path = f"/restate/invocation/{check_invocation_id(invocation_id)}/attach"
        return (await _request(self._ingress, "GET", path, timeout=timeout)).content

    # -- admin ------------------------------------------------------------------------------------------------------

    async def register(self, endpoint_uri: str) -> str:
        """Register the services at `endpoint_uri`; returns Restate's deployment id. Safe to repeat."""
        body = {"uri": endpoint_uri, "force": False}
        response = await _request(self._admin, "POST", "/deployments", timeout=timedelta(seconds=30), json=body)
        return str(response.json()["id"])

    async def is_registered(self, endpoint_uri: str) -> bool:
        """Return whether the services at `endpoint_uri` are registered."""
        response = await _request(self._admin, "GET", "/deployments", timeout=_QUICK)
        known = cast(list[dict[str, Any]], response.json()["deployments"])
        return any(str(one.get("uri", "")).rstrip("/") == endpoint_uri for one in known)

    async def cancel(self, invocation_id: str) -> bool:
        """Ask an invocation to unwind. True: it will; False: it was queued and is gone, or it has ended."""
        path = f"/invocations/{check_invocation_id(invocation_id)}/cancel"
        try:
            response = await _request(self._admin, "PATCH", path, timeout=_QUICK)
        except (Conflict, NotFound):
            return False
        return response.status_code == HTTPStatus.ACCEPTED

    async def find_invocation(self, invocation_id: str) -> Invocation | None:
        """Return an invocation; None if Restate does not know it, or no longer."""
        condition = f"id = '{check_invocation_id(invocation_id)}'"
        return next(iter(await self._invocations(condition)), None)

    async def find_repeat(self, service: str, key: str, handler: str, idempotency_key: str) -> Invocation | None:
        """Return the call made with an idempotency key, or None. The arguments must not hold quotes."""
        return next(
            iter(
                await self._invocations(
                    f"target_service_name = '{service}' and target_service_key = '{key}' "
                    f"and target_handler_name = '{handler}' and idempotency_key = '{idempotency_key}'"
                )
            ),
            None,
        )

    async def unfinished_invocations(self, *services: str) -> list[Invocation]:
        """List unfinished and scheduled invocations of these services, oldest first. Names must not hold quotes."""
        names = ", ".join(f"'{service}'" for service in services)
        return await self._invocations(f"target_service_name in ({names}) and status <> 'completed'")

    async def _invocations(self, condition: str) -> list[Invocation]:
        query = (
            "select id, status, target_handler_name, target_service_key, last_failure, completion_result, modified_at "
            f"from sys_invocation where {condition} order by created_at"
        )
        headers = {"accept": "application/json"}
        response = await _request(
            self._admin,
            "POST",
            "/query",
            timeout=_QUICK,
            json={"query": query},
            headers=headers,
            # A server that has just started answers 500 until it has loaded its data.
            fallback=Unavailable,
        )
        rows = cast(list[dict[str, Any]], response.json()["rows"])
        return [
            Invocation(
                id=row["id"],
                status=row["status"],
                handler=row.get("target_handler_name", ""),
                key=row.get("target_service_key", ""),
                last_failure=row.get("last_failure") or "",
                result=row.get("completion_result") or "",
                progressed_at=datetime.fromisoformat(row["modified_at"]),
            )
            for row in rows
        ]


def check_invocation_id(value: str) -> str:
    """Return `value` if it has the form of an invocation id; raises Invalid otherwise."""
    if not _INVOCATION_ID.fullmatch(value):
        raise Invalid(f"{value[:80]!r} is not an invocation id")
    return value


def _headers(content_type: str, idempotency_key: str | None) -> dict[str, str]:
    headers = {"content-type": content_type}
    if idempotency_key:
        headers["idempotency-key"] = idempotency_key
    return headers


async def _request(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    timeout: timedelta,
    content: bytes | None = None,
    json: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    fallback: type[InterlockError] = InterlockError,
) -> httpx.Response:
    try:
        response = await client.request(
            method, path, content=content, json=json, headers=headers, timeout=timeout.total_seconds()
        )
    except httpx.ReadTimeout as error:
        raise DeadlineExceeded(f"no answer within {timeout.total_seconds():g} s; the operation continues") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"Restate at {client.base_url} does not answer") from error
    if response.is_success:
        return response
    raise _BY_STATUS.get(response.status_code, fallback)(_message(response))


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"Restate answered {response.status_code}: {response.text[:500]}"


def _http_client(base_url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    # Plain HTTP needs no certificates (nothing here redirects to https), and loading them takes longer than a call.
    is_secure = base_url.startswith("https:")
    return httpx.AsyncClient(base_url=base_url, limits=limits, timeout=_QUICK.total_seconds(), verify=is_secure)
