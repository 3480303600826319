"""How an app says how it is started, and what it is told when it says it wrongly."""

from pathlib import Path
from typing import Any

import pytest

from services.domain.errors import Invalid
from services.domain.settings import RunSettings
from services.krane.backends.building.app_config import AppConfig
from services.krane.backends.process.app_plan import plan_app
from services.krane.types import AppSettings

START = '[start]\ncommand = ["python", "app.py"]\n'


def says(environment: dict[str, str] | None = None, **settings: Any) -> AppSettings:
    return AppSettings(run=RunSettings(**settings), environment=environment or {})


def app(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "config"),
    [
        ({"interlock.toml": START}, AppConfig(command=("python", "app.py"))),
        (
            {"interlock.toml": "[start]\ncommand = \"serve 'a b' $PORT\"\n[health]\npath = '/up?deep=1'"},
            AppConfig(command=("serve", "a b", "$PORT"), settings=says(health_path="/up?deep=1")),
        ),
        (
            {"Procfile": "worker: no\nweb: gunicorn -b :${PORT} app\n"},
            AppConfig(command=("gunicorn", "-b", ":${PORT}", "app")),
        ),
        (
            {"interlock.toml": "[health]\npath = '/up'", "Procfile": "web: ./run"},
            AppConfig(command=("./run",), settings=says(health_path="/up")),
        ),
        (
            {"interlock.toml": START, "Procfile": "web: ./run"},
            AppConfig(command=("python", "app.py")),
        ),
        (
            {
                "Procfile": "web: ./run",
                "interlock.toml": "[start]\nport = 9000\nstop_seconds = 20\n"
                "[resources]\nreplicas = 2\ncpu_millicores = 500\nmemory_mib = 256\n"
                "[env]\nMODE = 'a=b'\nEMPTY = ''\n[release]\ncommand = 'python manage.py \"do it\"'",
            },
            AppConfig(
                command=("./run",),
                settings=says(
                    {"MODE": "a=b", "EMPTY": ""},
                    replicas=2,
                    cpu_millicores=500,
                    memory_mib=256,
                    port=9000,
                    stop_seconds=20,
                    release_command=("python", "manage.py", "do it"),
                ),
            ),
        ),
    ],
)
def test_what_an_app_says_is_read(tmp_path: Path, files: dict[str, str], config: AppConfig) -> None:
    assert plan_app(app(tmp_path, files))[1] == config


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Procfile": "web: python 'app.py"}, "the web: line of the Procfile cannot be read: No closing quotation"),
        ({"interlock.toml": "[start"}, "interlock.toml cannot be read"),
        ({"interlock.toml": "[start]\ncommand = []"}, "start.command"),
        ({"interlock.toml": "[start]\ncommand = 3"}, "start.command"),
        (
            {"interlock.toml": START + "[health]\npfad = '/'"},
            "health.pfad: unknown key; known keys: path, ready_seconds$",
        ),
        (
            {"interlock.toml": START + "[healht]\npath = '/'"},
            "healht: unknown key; known keys: project, start, health, resources",
        ),
        (
            {"interlock.toml": "[start]\ncomand = 'x'"},
            "start.comand: unknown key; known keys: command, port, stop_seco",
        ),
        ({"interlock.toml": "[resources]\nreplicas = '2'"}, "resources.replicas: Input should be a valid integer"),
        ({"interlock.toml": "[resources]\nreplicas = 51"}, "not valid: replicas is 51: use 1 to 50"),
        ({"interlock.toml": "[resources]\nmemory_mib = 8"}, "not valid: memory_mib is 8: use 16 to 262144"),
        ({"interlock.toml": "[start]\nport = 65536"}, "not valid: port is 65536: use 1 to 65535"),
        ({"interlock.toml": "[start]\nstop_seconds = 0"}, "not valid: stop_seconds is 0: use 1 to 300"),
        ({"interlock.toml": '[start]\ncommand = ["a\\u0000b"]'}, "start. command holds a NUL"),
        ({"interlock.toml": "[env]\nPORT = '80'"}, "variable PORT is set by interlock itself"),
        ({"interlock.toml": "[env]\nLEVEL = 3"}, "env.LEVEL: Input should be a valid string"),
        ({"interlock.toml": "[release]\ncommand = ''"}, "release.command"),
        ({"interlock.toml": "[release]\ncommand = ['']"}, "release_command names no program"),
        ({"interlock.toml": f"# {'x' * 65536}"}, "has 65538 bytes: use at most 65536"),
        ({"interlock.toml": START + "[health]\npath = 'up'"}, "not valid: health_path 'up' is not usable"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        plan_app(app(tmp_path, files))


@pytest.mark.parametrize("files", [{}, {"Procfile": "worker: python app.py"}])
def test_what_is_missing_is_kept_for_whom_no_command_rescues(tmp_path: Path, files: dict[str, str]) -> None:
    _, config = plan_app(app(tmp_path, files))

    assert config.command == ()
    assert "does not say how it is started: add a file interlock.toml with [start] command" in config.missing_start
