"""The Dockerfile that is written from the plan of a source."""

import json
from dataclasses import replace

import pytest

from services.domain.plan import SourceFiles, Version, make_plan
from services.krane.backends.building.app_config import parse_app_config, with_host
from services.krane.backends.docker.building.written import (
    HOST,
    BaseImages,
    node_base,
    python_base,
    start_command,
    write_dockerfile,
)

BASE = BaseImages(python="python:3.11-slim", node="node:22-slim")
PIP = 'RUN ["python", "-m", "pip", "install", "-r", "requirements.txt"]'
ALL = 'COPY [".", "."]'


def written(files: dict[str, str]) -> list[str]:
    """The lines of the Dockerfile of a source."""
    plan = make_plan(SourceFiles.collect(files, lambda name: files[name].encode()), builds_dockerfiles=True)
    app = parse_app_config({name: content.encode() for name, content in files.items()})
    app = replace(app, command=with_host(start_command(plan), HOST))
    return write_dockerfile(plan, app, BASE, "server").splitlines()


def runs(files: dict[str, str]) -> list[list[str]]:
    """The commands that it runs."""
    return [json.loads(line.removeprefix("RUN ")) for line in written(files) if line.startswith("RUN ")]


def test_what_is_required_is_installed_before_the_source_is_copied() -> None:
    lines = written({"requirements.txt": "flask\ngunicorn\n", "app.py": "from flask import Flask\napp = Flask('x')\n"})

    assert lines[:2] == ["FROM python:3.11-slim", "WORKDIR /app"]
    assert lines[2].startswith("ENV HOST=0.0.0.0 PORT=8080 ")
    assert lines[3:] == [
        "EXPOSE 8080",
        'CMD ["python", "-m", "gunicorn", "--bind", "0.0.0.0:8080", "app:app"]',
        'COPY ["requirements.txt", "./"]',
        PIP,
        ALL,
    ]


def test_the_port_of_the_source_is_exposed_and_handed_over() -> None:
    toml = '[start]\ncommand = "python app.py --port $PORT"\nport = 9000\n'

    lines = written({"interlock.toml": toml, "app.py": ""})

    assert lines[3:] == ["EXPOSE 9000", 'CMD ["python", "app.py", "--port", "9000"]', ALL]


@pytest.mark.parametrize("line", ["./wheels/x.whl", "-e .", "wheels/x.whl"])
def test_requirements_that_need_the_source_are_installed_after_it_was_copied(line: str) -> None:
    lines = written({"requirements.txt": f"flask\n{line}\n", "app.py": ""})

    assert lines.index(ALL) < lines.index(PIP)


def test_included_requirements_are_copied_to_where_they_were() -> None:
    files = {"requirements.txt": "-r requirements/base.txt\n", "requirements/base.txt": "flask\n", "app.py": ""}

    assert 'COPY ["requirements/base.txt", "./requirements/"]' in written(files)


def test_requirements_of_another_tool_are_written_down_and_installed() -> None:
    lock = json.dumps({"default": {"flask": {"version": "==3.0"}}, "develop": {}})

    write, install = runs({"Pipfile.lock": lock, "Pipfile": "", "main.py": ""})

    assert write[-2:] == [".interlock.requirements.txt", "flask==3.0\n"]
    assert install == ["python", "-m", "pip", "install", "--no-deps", "-r", ".interlock.requirements.txt"]


def test_uv_installs_what_pip_cannot() -> None:
    pyproject = '[project]\nname = "x"\nversion = "1"\ndependencies = ["flask"]\n'
    files = {"pyproject.toml": pyproject, "uv.lock": "", "main.py": ""}

    assert runs(files) == [
        ["python", "-m", "pip", "install", "uv"],
        ["uv", "venv", "--no-project", "/venv"],
        ["uv", "sync", "--frozen", "--no-dev", "--no-install-project"],
    ]
    assert any(line.startswith("ENV PATH=/venv/bin:$PATH ") for line in written(files))


def test_a_node_app_is_installed_by_its_lock_and_built() -> None:
    package = '{"scripts": {"start": "x", "build": "y"}, "dependencies": {"a": "1"}}'

    lines = written({"package.json": package, "package-lock.json": "{}"})

    assert lines[0] == "FROM node:22-slim"
    assert lines[4:] == [
        'CMD ["npm", "start"]',
        'COPY ["package-lock.json", "package.json", "./"]',
        'RUN ["npm", "ci", "--include=dev", "--no-audit", "--no-fund"]',
        ALL,
        'RUN ["npm", "run", "build"]',
    ]


def test_pnpm_comes_by_corepack() -> None:
    package = '{"scripts": {"start": "x"}, "dependencies": {"a": "1"}}'

    commands = runs({"package.json": package, "pnpm-lock.yaml": ""})

    assert commands == [["corepack", "pnpm", "install", "--frozen-lockfile", "--prod"]]


def test_what_node_builds_is_served_without_node() -> None:
    lines = written({"package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}'})

    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM node:22-slim AS build",
        "FROM python:3.11-slim",
    ]
    assert lines[-1] == 'COPY --from=build ["/app/dist/", "./dist/"]'
    assert 'CMD ["python", "/interlock/static_server.py", "dist", "--single-page"]' in lines


def test_a_build_command_gets_the_variables_of_the_source_and_collectstatic_may_fail() -> None:
    toml = '[build]\ncommand = "make all"\n[env]\nMODE = "a b"\n'
    manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\nimport django.core.management\n"
    django = {"manage.py": manage, "site/settings.py": "STATIC_ROOT = 'x'\n", "site/wsgi.py": "application = 1\n"}

    assert runs({"interlock.toml": toml, "app.py": ""})[-1] == ["env", "MODE=a b", "make", "all"]
    assert runs({"requirements.txt": "django\ngunicorn\n", **django})[-1][:4] == ["sh", "-c", '"$@" || true', "sh"]


def test_a_source_that_does_not_say_how_it_is_started_has_no_command() -> None:
    assert not any(line.startswith("CMD") for line in written({"README": "text"}))


@pytest.mark.parametrize(
    ("image", "request_", "expected"),
    [
        ("python:3.11-slim", "", "python:3.11-slim"),
        ("docker.io/library/python:3.11-slim", "3.12", "docker.io/library/python:3.12-slim"),
        ("python:3.11-slim", ">=3.9", "python:3.11-slim"),
        ("python:3.11-slim", ">=3.13", "python:3.13-slim"),
        ("python:3.11-slim", "<3.10,>=3.8", "python:3.9-slim"),
        ("registry:5000/own-python:abc", "3.12", "registry:5000/own-python:abc"),
    ],
)
def test_the_base_image_is_that_of_the_python_that_is_asked_for(image: str, request_: str, expected: str) -> None:
    version = Version(request=request_, source=".python-version") if request_ else None

    assert python_base(image, version) == expected


@pytest.mark.parametrize(
    ("image", "request_", "expected"),
    [
        ("node:22-slim", ">=18", "node:22-slim"),
        ("node:22-slim", "20.x", "node:20-slim"),
        ("node:22-slim", "^18 || ^20", "node:20-slim"),
        ("node:22-slim", "lts/*", "node:22-slim"),
    ],
)
def test_the_base_image_is_that_of_the_node_that_is_asked_for(image: str, request_: str, expected: str) -> None:
    assert node_base(image, Version(request=request_, source="package.json")) == expected
