import json
from pathlib import Path

import pytest

from tests.cli.conftest import Interlock
from tests.ctrl.installation import Installation
from tests.restate_server import free_port


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INTERLOCK_READY_FILE", raising=False)
    monkeypatch.delenv("INTERLOCK_DATA_DIR", raising=False)
    monkeypatch.delenv("INTERLOCK_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_a_ready_file_the_answer_is_how_to_start(interlock: Interlock) -> None:
    result = interlock("project", "ls")

    assert (result.code, result.out) == (10, "")
    assert "data/ready.json does not exist" in result.err
    assert "interlock up" in result.err


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_a_ready_file_that_says_nothing_is_no_control_plane(interlock: Interlock, tmp_path: Path, content: str) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text(content)

    assert interlock("project", "ls", "--ready-file", str(ready)).code == 10


def test_a_control_plane_that_is_gone_is_unreachable(
    interlock: Interlock, installation: Installation, tmp_path: Path
) -> None:
    ready = json.loads(installation.ready_file.read_text()) | {"ctrl_grpc": f"127.0.0.1:{free_port()}"}
    (tmp_path / "ready.json").write_text(json.dumps(ready))

    assert interlock("project", "ls", "--data-dir", str(tmp_path)).code == 10


def test_it_is_found_by_option_and_by_environment(
    interlock: Interlock, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_file = interlock("project", "ls", f"--ready-file={installation.ready_file}")
    by_folder = interlock("--data-dir", str(installation.folder), "project", "ls")
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(installation.folder))
    by_environment = interlock("project", "ls")

    assert [result.code for result in (by_file, by_folder, by_environment)] == [0, 0, 0]


def test_an_address_needs_no_ready_file(interlock: Interlock, installation: Installation) -> None:
    address = json.loads(installation.ready_file.read_text())["ctrl_grpc"]

    assert interlock("project", "ls", "--address", address).code == 0
