"""The Dockerfile that is written for a source without one, and what the author is told when none can be."""

from dataclasses import replace

import pytest

from services.domain.errors import Invalid
from services.krane.backends.building.app_config import parse_app_config
from services.krane.backends.docker.building.detection import BaseImages, start_command, write_dockerfile
from services.krane.backends.docker.building.source import Source

BASE = BaseImages(python="python:test", node="node:test")
PYTHON = (
    "FROM python:test\nWORKDIR /app\n"
    "ENV HOST=0.0.0.0 PORT=8080 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 "
    "PIP_ROOT_USER_ACTION=ignore\n"
)
NODE = "FROM node:test\nWORKDIR /app\nENV HOST=0.0.0.0 PORT=8080 NODE_ENV=production\n"
START = '[start]\ncommand = "python app.py --port $PORT"\n'
REQUIREMENTS = 'COPY ["requirements.txt", "./"]\nRUN ["python", "-m", "pip", "install", "-r", "requirements.txt"]\n'
ALL = 'COPY [".", "."]\n'


def written(files: dict[str, str]) -> str:
    source = Source(names=frozenset(files), files={name: content.encode() for name, content in files.items()})
    app = parse_app_config(source.files)
    return write_dockerfile(source, replace(app, command=start_command(source, app)), BASE)


@pytest.mark.parametrize(
    ("files", "dockerfile"),
    [
        (
            {"interlock.toml": START, "app.py": ""},
            PYTHON + 'EXPOSE 8080\nCMD ["python", "app.py", "--port", "8080"]\n' + ALL,
        ),
        (
            {"interlock.toml": START + "port = 9000\n", "app.py": ""},
            PYTHON.replace("8080", "9000") + 'EXPOSE 9000\nCMD ["python", "app.py", "--port", "9000"]\n' + ALL,
        ),
        (
            {"Procfile": "web: gunicorn -b :${PORT} app:app", "requirements.txt": "flask\ngunicorn==23.0\n"},
            PYTHON + 'EXPOSE 8080\nCMD ["gunicorn", "-b", ":8080", "app:app"]\n' + REQUIREMENTS + ALL,
        ),
        (
            {"requirements.txt": "# web\nuvicorn[standard]>=0.30\nfastapi\n", "main.py": "\napp = FastAPI()\n"},
            PYTHON
            + "EXPOSE 8080\n"
            + 'CMD ["python", "-m", "uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8080"]\n'
            + REQUIREMENTS
            + ALL,
        ),
        (
            {
                "pyproject.toml": '[project]\nname = "x"\ndependencies = ["Gunicorn"]',
                "wsgi.py": "application: X = make()\n",
            },
            PYTHON
            + "EXPOSE 8080\n"
            + 'CMD ["python", "-m", "gunicorn", "--bind", "0.0.0.0:8080", "wsgi:application"]\n'
            + ALL
            + 'RUN ["python", "-m", "pip", "install", "."]\n',
        ),
        (
            {"package.json": '{"scripts": {"start": "node server.js"}}'},
            NODE + 'EXPOSE 8080\nCMD ["npm", "start"]\n' + ALL,
        ),
        (
            {
                "package.json": '{"scripts": {"start": "x", "build": "y"}, "dependencies": {"a": "1"}}',
                "package-lock.json": "{}",
            },
            NODE
            + 'EXPOSE 8080\nCMD ["npm", "start"]\n'
            + 'COPY ["package.json", "package-lock.json", "./"]\n'
            + 'RUN ["npm", "ci", "--include=dev", "--no-audit", "--no-fund"]\n'
            + ALL
            + 'RUN ["npm", "run", "build"]\n',
        ),
        (
            {"package.json": '{"dependencies": {"a": "1"}}', "Procfile": "web: node server.js"},
            NODE
            + 'EXPOSE 8080\nCMD ["node", "server.js"]\n'
            + 'COPY ["package.json", "./"]\nRUN ["npm", "install", "--omit=dev", "--no-audit", "--no-fund"]\n'
            + ALL,
        ),
    ],
)
def test_dockerfile_follows_from_the_files_of_the_app(files: dict[str, str], dockerfile: str) -> None:
    assert written(files) == dockerfile


@pytest.mark.parametrize("line", ["-r more.txt", "./wheels/x.whl", "-e .", "wheels/x.whl", "--no-index"])
def test_requirements_that_need_the_source_are_installed_after_it_was_copied(line: str) -> None:
    dockerfile = written({"interlock.toml": START, "requirements.txt": f"flask\n{line}\n"})

    assert dockerfile.index(ALL) < dockerfile.index("RUN")


@pytest.mark.parametrize(
    "package",
    [
        '{"dependencies": {"a": "file:./a"}}',
        '{"devDependencies": {"a": "./a.tgz"}}',
        '{"dependencies": {"a": "1"}, "workspaces": ["packages/*"]}',
        '{"dependencies": {"a": "1"}, "scripts": {"postinstall": "node patch.js"}}',
    ],
)
def test_packages_that_need_the_source_are_installed_after_it_was_copied(package: str) -> None:
    dockerfile = written({"package.json": package, "Procfile": "web: node server.js"})

    assert dockerfile.index(ALL) < dockerfile.index("RUN")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "add a Dockerfile"),
        ({"requirements.txt": "flask"}, "does not say how it is built and started"),
        ({"requirements.txt": "uvicorn", "main.py": "x = 1"}, "has an 'app' or 'application'"),
        ({"package.json": "{}"}, "a start script"),
        ({"package.json": "{"}, "package.json cannot be read"),
        ({"pyproject.toml": "["}, "pyproject.toml cannot be read"),
        ({"interlock.toml": "["}, "interlock.toml cannot be read"),
    ],
)
def test_what_is_missing_is_named(files: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        written(files)
