"""How an app says how it is started, and what it is told when it says it wrongly."""

from pathlib import Path

import pytest

from services.domain.errors import Invalid
from services.krane.backends.process.start_command import read_app_config
from services.krane.backends.shared.app_config import AppConfig

START = '[start]\ncommand = ["python", "app.py"]\n'


def app(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "config"),
    [
        ({"interlock.toml": START}, AppConfig(command=("python", "app.py"), health_path="")),
        (
            {"interlock.toml": "[start]\ncommand = \"serve 'a b' $PORT\"\n[health]\npath = '/up?deep=1'"},
            AppConfig(command=("serve", "a b", "$PORT"), health_path="/up?deep=1"),
        ),
        (
            {"Procfile": "worker: no\nweb: gunicorn -b :${PORT} app\n"},
            AppConfig(command=("gunicorn", "-b", ":${PORT}", "app"), health_path=""),
        ),
        (
            {"interlock.toml": "[health]\npath = '/up'", "Procfile": "web: ./run"},
            AppConfig(command=("./run",), health_path="/up"),
        ),
        (
            {"interlock.toml": START, "Procfile": "web: ./run"},
            AppConfig(command=("python", "app.py"), health_path=""),
        ),
    ],
)
def test_start_command_is_read(tmp_path: Path, files: dict[str, str], config: AppConfig) -> None:
    assert read_app_config(app(tmp_path, files)) == config


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"does not say how it is started: add a file interlock.toml with \[start\] command"),
        ({"Procfile": "worker: python app.py"}, "does not say how it is started"),
        ({"Procfile": "web: python 'app.py"}, "the web: line of the Procfile cannot be read: No closing quotation"),
        ({"interlock.toml": "[start"}, "interlock.toml cannot be read"),
        ({"interlock.toml": "[start]\ncommand = []"}, "start.command"),
        ({"interlock.toml": "[start]\ncommand = 3"}, "start.command"),
        ({"interlock.toml": START + "[health]\npfad = '/'"}, "health.pfad: unknown key"),
        ({"interlock.toml": START + "[healht]\npath = '/'"}, "healht: unknown key"),
        ({"interlock.toml": START + "[health]\npath = 'up'"}, "health path 'up' is not a path"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        read_app_config(app(tmp_path, files))
