"""Which ports an installation gets."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.config import LOOPBACK, Settings
from services.domain.errors import Conflict, Invalid
from services.runtime import ports as ports_module
from services.runtime.ports import choose_ports, configured_ports


@pytest.fixture(autouse=True)
def _no_wait_for_dying_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports_module, "RELEASE_SECONDS", 0.0)


@contextmanager
def listener(port: int = 0) -> Generator[int]:
    """Somebody else's server; yields its port."""
    with socket.create_server((LOOPBACK, port)) as server:
        yield server.getsockname()[1]


async def test_automatic_ports_are_distinct_and_kept_over_restarts(tmp_path: Path) -> None:
    first = configured_ports(await choose_ports(Settings(data_dir=tmp_path), auto=True))
    second = configured_ports(await choose_ports(Settings(data_dir=tmp_path), auto=True))

    assert first == second
    chosen = [port for _, port in first]
    assert len(set(chosen)) == len(chosen)


async def test_only_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    before = configured_ports(await choose_ports(Settings(data_dir=tmp_path), auto=True))

    with listener(before.gateway):
        after = configured_ports(await choose_ports(Settings(data_dir=tmp_path), auto=True))

    assert after.gateway != before.gateway
    assert after.model_copy(update={"gateway": before.gateway}) == before


async def test_a_configured_port_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    settings = await choose_ports(Settings(data_dir=tmp_path), auto=True)

    with listener(settings.krane.port), pytest.raises(Conflict) as refused:
        await choose_ports(settings, auto=False)

    assert f"{settings.krane.port} (krane)" in refused.value.message
    assert "--ports auto" in refused.value.message


async def test_configured_ports_are_used_as_they_are(tmp_path: Path) -> None:
    settings = await choose_ports(Settings(data_dir=tmp_path), auto=True)

    assert await choose_ports(settings, auto=False) == settings


async def test_a_damaged_ports_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"krane": 1')

    with pytest.raises(Invalid, match=r"ports\.json .* remove it"):
        await choose_ports(Settings(data_dir=tmp_path), auto=True)
