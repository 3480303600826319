"""The folder of a gateway: its lock, its saved snapshot, its bootstrap file."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.config import GatewaySettings, Settings
from services.domain.errors import Conflict, Invalid
from services.domain.routes import Route, RouteTable
from services.gateway.bootstrap import envoy_command, write_bootstrap
from services.gateway.home import gateway_home, hold_home
from services.gateway.store import SnapshotStore

TABLE = RouteTable(
    revision=7,
    routes=(Route(hostname="a.example.com", deployment_id="dep-a"),),
    addresses={"dep-a": ("127.0.0.1:80",)},
)
UNSERVABLE = b'{"revision":1,"routes":[{"hostname":"A..b","deployment_id":"d"}],"addresses":{}}'


def test_a_home_has_one_agent_at_a_time(tmp_path: Path) -> None:
    with hold_home(tmp_path), pytest.raises(Conflict, match=r"process \d+ is its agent"), hold_home(tmp_path):
        pass

    with hold_home(tmp_path):
        pass


@pytest.mark.parametrize("id", ["", "..", "a/b", "/etc"])
def test_a_gateway_id_cannot_lead_out_of_the_data_directory(tmp_path: Path, id: str) -> None:
    with pytest.raises(Invalid, match="gateway id"):
        gateway_home(Settings(data_dir=tmp_path, gateway=GatewaySettings(id=id)))


def test_a_saved_table_is_loaded_as_it_was(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "snapshot.json")

    store.save(TABLE)

    assert store.load() == TABLE
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot.json"]


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    route = {"hostname": "a.example.com", "deployment_id": "dep-a"}
    path.write_text(json.dumps({"revision": 7, "routes": [route], "addresses": {"dep-a": ["127.0.0.1:80"]}}))

    assert SnapshotStore(path).load() == TABLE


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"revision": "x"}', UNSERVABLE])
def test_a_saved_table_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "snapshot.json"
    if content is not None:
        path.write_bytes(content)

    assert SnapshotStore(path).load() is None


def test_a_table_that_cannot_be_saved_does_not_stop_the_gateway(tmp_path: Path) -> None:
    SnapshotStore(tmp_path / "no such folder" / "snapshot.json").save(TABLE)


def test_envoy_is_started_with_the_bootstrap_of_its_gateway_on_loopback(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, gateway=GatewaySettings(id="gw-7"))

    path = write_bootstrap(settings)

    assert envoy_command(settings)[1:3] == ["-c", str(path)]
    bootstrap = json.loads(path.read_text())
    assert bootstrap["node"]["id"] == "gw-7"
    assert bootstrap["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


@pytest.mark.parametrize("trusted", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example.com"])
def test_a_trusted_proxy_that_is_no_network_is_refused(monkeypatch: pytest.MonkeyPatch, trusted: str) -> None:
    monkeypatch.setenv("INTERLOCK_GATEWAY__TRUSTED_PROXIES", json.dumps(["127.0.0.1", "::1/128", trusted]))

    with pytest.raises(ValidationError, match=r"gateway.trusted_proxies.2\n"):
        Settings()
