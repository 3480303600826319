"""When probes make an instance healthy and when they do not."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from services.domain.settings import H2C
from services.krane.backends.hosted.health import Check, Health, make_check
from services.krane.backends.hosted.probe import Prober
from tests.gateway.apps import running_app
from tests.krane.support import until


@asynccontextmanager
async def server(*answers: bytes) -> AsyncGenerator[int]:
    """Gives one answer after the other, the last one for ever, each on a connection of its own."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def nowhere() -> str:
    return ""


async def never() -> bool:
    return False


def head(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (head(204), ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nendless", ""),
        (head(503), "GET /up answered 503"),
        (head(301), "GET /up answered 301: a health check must answer 2xx, not redirect"),
        (b"hello\r\n", "GET /up was answered with something that is not HTTP"),
        (b"", "GET /up was answered with something that is not HTTP"),
    ],
)
async def test_probe_says_what_is_wrong(answer: bytes, problem: str) -> None:
    prober = Prober()
    async with server(answer) as port:
        assert (await prober.probe(f"127.0.0.1:{port}", "/up", 1000)).problem == problem
    await prober.close()


async def test_probe_asks_in_the_protocol_of_the_deployment(tmp_path: Path) -> None:
    prober = Prober()
    async with running_app("starlette", tmp_path / "log") as address:
        assert (await prober.probe(address, "/http2", 5000)).status_code == 505
        assert (await prober.probe(address, "/http2", 5000, H2C)).problem == ""
    await prober.close()


async def test_probe_keeps_the_status_and_the_beginning_of_an_answer_that_is_not_2xx() -> None:
    body = b"\x1b[31mno \xff database\r\n" + b"x" * 100_000
    prober = Prober()
    async with server(b"HTTP/1.1 503 X\r\nContent-Length: 200000\r\n\r\n" + body) as port:
        found = await prober.probe(f"127.0.0.1:{port}", "/up", 1000)
    await prober.close()

    assert found.status_code == 503
    assert found.body.startswith(" [31mno \N{REPLACEMENT CHARACTER} database  xxx")
    assert len(found.body) == 200
    assert found.body.isprintable()


async def test_probe_says_the_status_when_the_body_never_comes() -> None:
    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 5\r\n\r\n")
        await reader.read()
        writer.close()

    prober = Prober()
    async with await asyncio.start_server(answer_slowly, "127.0.0.1", 0) as slow:
        found = await prober.probe(f"127.0.0.1:{slow.sockets[0].getsockname()[1]}", "/up", 1000)
    await prober.close()

    assert (found.problem, found.body) == ("GET /up answered 500", "")
    assert 150 < found.latency_ms < 1000


async def test_probe_that_is_not_answered_in_time_says_so(unused_tcp_port: int) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    prober = Prober()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", unused_tcp_port):
        silent = await prober.probe(f"127.0.0.1:{unused_tcp_port}", "/up", 50)
        assert silent.problem == "GET /up was not answered within 50 ms"
        assert silent.latency_ms >= 50
        assert (await prober.probe(f"127.0.0.1:{unused_tcp_port}", "", 50)).problem == ""
    assert (
        await prober.probe(f"127.0.0.1:{unused_tcp_port}", "", 50)
    ).problem == f"nothing listens on port {unused_tcp_port}"
    await prober.close()


async def test_one_failed_probe_is_weather_and_two_in_a_row_are_unhealthy() -> None:
    seen: list[tuple[bool, str]] = []
    prober, health = Prober(), Health(asyncio.Event())

    def note() -> None:
        seen.append((health.is_healthy, health.reason))

    async with server(head(503), head(200), head(502), head(200), head(500)) as port:
        check = Check(path="/up", timeout_ms=1000, interval=0.001, calm_interval=0.001)
        following = asyncio.create_task(health.follow(prober, f"127.0.0.1:{port}", check, note, nowhere, never))

        async def was_healthy_and_is_not() -> bool:
            return bool(seen) and not health.is_healthy

        await until(was_healthy_and_is_not)
        following.cancel()
    await prober.close()

    assert seen == [(False, "GET /up answered 503")]
    assert health.reason == "GET /up answered 500"


async def test_an_instance_is_asked_seldom_while_it_is_calm_and_often_again_once_it_fails() -> None:
    check = Check(path="/up", timeout_ms=1000, interval=0.01, calm_interval=0.3, calm_after=0.1)
    asked: list[float] = []
    status = 200

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(time.monotonic())
        writer.write(head(status))
        writer.close()

    async def is_calm() -> bool:
        return len(asked) > 2 and asked[-1] - asked[-2] >= check.calm_interval

    async def has_failed_often() -> bool:
        return not health.is_healthy and len(asked) > calm + 5

    prober, health = Prober(), Health(asyncio.Event())
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        following = asyncio.create_task(health.follow(prober, f"127.0.0.1:{port}", check, lambda: None, nowhere, never))
        await until(is_calm)
        calm, status = len(asked), 500
        await until(has_failed_often)
        following.cancel()
    await prober.close()

    assert asked[1] - asked[0] < check.calm_interval
    assert min(later - earlier for earlier, later in pairwise(asked[calm:])) < check.calm_interval


def test_a_calm_instance_is_asked_as_often_as_krane_is_configured() -> None:
    check = make_check("", 2.0)

    assert (check.pause(0.0), check.pause(check.calm_after)) == (0.5, 2.0)


async def test_a_run_that_listens_elsewhere_is_told_where_once_it_had_time_to_listen(unused_tcp_port: int) -> None:
    reasons: dict[str, float] = {}
    prober, health = Prober(), Health(asyncio.Event())
    began = time.monotonic()

    async def search() -> str:
        return "it listens on 127.0.0.1:3000"

    async def has_said_where() -> bool:
        reasons.setdefault(health.reason, time.monotonic() - began)
        return health.reason == await search()

    address = f"127.0.0.1:{unused_tcp_port}"
    following = asyncio.create_task(health.follow(prober, address, make_check("", 2.0), lambda: None, search, never))
    await until(has_said_where)
    following.cancel()
    await prober.close()

    assert f"nothing listens on port {unused_tcp_port}" in reasons
    assert 1.0 <= reasons[await search()] < 2.0
    assert health.last_probe is not None
    assert health.last_probe.problem == await search()
