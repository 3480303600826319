"""How a Python app is started that does not say it."""

import pytest

from tests.domain.plan.support import builds, installs, plan, start_of

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "from flask import Flask\n\ndef create_app(test_config=None):\n    app = Flask(__name__)\n    return app\n"
FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n"
MANAGE = (
    'def main():\n    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n'
    "    from django.core.management import execute_from_command_line\n"
)
SETTINGS = 'WSGI_APPLICATION = "mysite.wsgi.application"\n'
DJANGO = {"manage.py": MANAGE, "mysite/__init__.py": "", "mysite/settings.py": SETTINGS, "mysite/wsgi.py": ""}
GUNICORN = "python -m gunicorn --bind '$HOST:$PORT'"
UVICORN = "python -m uvicorn {} --host '$HOST' --port '$PORT'"
AIOHTTP = "from aiohttp import web\n\nasync def init_app():\n    return web.Application()\n"


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"app.py": FLASK, "requirements.txt": "Flask\nGunicorn"}, f"{GUNICORN} app:app"),
        ({"app.py": FLASK, "requirements.txt": "flask"}, f"{GUNICORN} app:app"),
        ({"app.py": FLASK, "requirements.txt": "flask\nwaitress"}, "python -m waitress '--listen=$HOST:$PORT' app:app"),
        ({"src/app.py": FLASK, "requirements.txt": "flask"}, f"env PYTHONPATH=src {GUNICORN} app:app"),
        ({"flaskr/__init__.py": FACTORY, "requirements.txt": "flask"}, f"{GUNICORN} 'flaskr:create_app()'"),
        ({"wsgi.py": "from app import app\n", "app.py": FLASK}, f"{GUNICORN} wsgi:app"),
        ({"run.py": "from x import create_app\napp = create_app()\n", "x/__init__.py": FACTORY}, f"{GUNICORN} run:app"),
        ({"main.py": FASTAPI, "requirements.txt": "fastapi[all]"}, UVICORN.format("main:app")),
        (
            {"main.py": FASTAPI, "requirements.txt": "fastapi\nhypercorn"},
            "python -m hypercorn --bind '$HOST:$PORT' main:app",
        ),
        ({"app/__init__.py": "", "app/main.py": FASTAPI}, UVICORN.format("app.main:app")),
        ({"app/main.py": "from app.x import y\n" + FASTAPI}, UVICORN.format("app.main:app")),
        ({"backend/main.py": FASTAPI}, "env PYTHONPATH=backend " + UVICORN.format("main:app")),
        ({"main.py": "import typer\napp = typer.Typer()\n", "api.py": FASTAPI}, UVICORN.format("api:app")),
        ({"main.py": "def create_app():\n    return 1\n" + FASTAPI}, UVICORN.format("main:app")),
        (
            {"app.py": "from starlette.applications import Starlette\napp = Starlette(debug=True)\n"},
            UVICORN.format("app:app"),
        ),
        ({"app.py": "from litestar import Litestar\napp = Litestar([x])\n"}, UVICORN.format("app:app")),
        (
            {
                "src/py/app/__init__.py": "",
                "src/py/app/asgi.py": "def create_app() -> Litestar:\n    from litestar import Litestar\n",
            },
            "env PYTHONPATH=src/py " + UVICORN.format("--factory app.asgi:create_app"),
        ),
        (
            {"chat/__init__.py": "", "chat/main.py": AIOHTTP},
            f"{GUNICORN} --worker-class aiohttp.GunicornWebWorker chat.main:init_app",
        ),
        (
            {"Hello.py": "import streamlit as st\nst.set_page_config()\n", "utils.py": "import streamlit as st\n"},
            "python -m streamlit run Hello.py --server.address '$HOST' --server.port '$PORT' --server.headless true",
        ),
        (
            {"app.py": "import gradio as gr\ngr.Interface().launch()\n"},
            "env 'GRADIO_SERVER_NAME=$HOST' 'GRADIO_SERVER_PORT=$PORT' python app.py",
        ),
        ({"wsgi.py": "application: X = make()\n", "requirements.txt": "Gunicorn"}, f"{GUNICORN} wsgi:application"),
        (
            {"asgi.py": "async def app(scope, receive, send):\n    pass\n", "requirements.txt": "uvicorn"},
            UVICORN.format("asgi:app"),
        ),
        ({"main.py": "print()"}, "python main.py"),
        ({"app.py": "", "main.py": ""}, "python main.py"),
        ({"pkg/__main__.py": "", "pkg/__init__.py": "", "requirements.txt": ""}, "python -m pkg"),
        (
            {"src/pkg/__main__.py": "", "src/pkg/__init__.py": "", "requirements.txt": ""},
            "env PYTHONPATH=src python -m pkg",
        ),
        ({"pyproject.toml": '[project]\nname = "x"\n[project.scripts]\nserve = "x:main"\n'}, "serve"),
        ({"pyproject.toml": '[project]\nname = "x"\n[project.scripts]\na = "x:a"\nX = "x:b"\n'}, "X"),
        (DJANGO, f"{GUNICORN} mysite.wsgi:application"),
        ({**DJANGO, "mysite/settings.py": ""}, f"{GUNICORN} mysite.wsgi:application"),
        (
            {**DJANGO, "mysite/asgi.py": "", "requirements.txt": "django\nuvicorn"},
            UVICORN.format("mysite.asgi:application"),
        ),
        (
            {**DJANGO, "mysite/asgi.py": "", "requirements.txt": "django\nuvicorn\ngunicorn"},
            f"{GUNICORN} mysite.wsgi:application",
        ),
        (
            {**DJANGO, "mysite/asgi.py": "", "requirements.txt": "django\ndaphne"},
            "python -m daphne --bind '$HOST' --port '$PORT' mysite.asgi:application",
        ),
        (
            {f"web/{name}": text for name, text in DJANGO.items()},
            f"env PYTHONPATH=web {GUNICORN} mysite.wsgi:application",
        ),
        ({"tests/app.py": FLASK, "tool.py": "", "requirements.txt": ""}, ""),
        ({"tool.py": "", "requirements.txt": "six"}, ""),
    ],
)
def test_the_app_is_found(files: dict[str, str], start: str) -> None:
    assert start_of(files) == start


@pytest.mark.parametrize(
    ("files", "installed"),
    [
        ({"app.py": FLASK, "requirements.txt": "flask"}, ["gunicorn"]),
        ({"app.py": FLASK, "requirements.txt": "flask\ngunicorn==23"}, []),
        ({"main.py": FASTAPI, "requirements.txt": "fastapi"}, ["uvicorn"]),
        ({"main.py": FASTAPI, "requirements.txt": "fastapi[standard]>=0.100"}, []),
        ({"app.py": "", "requirements.txt": "flask", "Procfile": "web: gunicorn app:app"}, ["gunicorn"]),
        (
            {
                "app.py": "",
                "requirements.txt": "flask",
                "Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker a:b",
            },
            ["gunicorn", "uvicorn"],
        ),
        ({"app.py": "", "requirements.txt": "six", "Procfile": "web: python app.py"}, []),
        ({"app.py": "", "requirements.txt": "six", "Procfile": "web: cd x && gunicorn app:app"}, ["gunicorn"]),
    ],
)
def test_a_server_that_nothing_requires_is_installed_beside_and_named(
    files: dict[str, str], installed: list[str]
) -> None:
    beside = [step for step in plan(files).install if step.note]

    assert [step.arguments[-1] for step in beside] == installed
    assert all(f"add the line {name!r}" in step.note for step, name in zip(beside, installed, strict=True))


def test_static_files_of_django_are_collected_where_they_have_a_place() -> None:
    collected = {**DJANGO, "mysite/settings.py": SETTINGS + "STATIC_ROOT = BASE_DIR / 'static'\n"}
    told = {**collected, "interlock.toml": '[build]\ncommand = "./build.sh"\n'}

    assert builds(DJANGO) == []
    assert builds(collected) == ["python manage.py collectstatic --noinput"]
    assert plan(collected).build[0].may_fail
    assert builds(told) == ["./build.sh"]


def test_migrations_that_nobody_runs_are_named() -> None:
    assert "python manage.py migrate" in plan(DJANGO).warnings[0]
    assert plan({**DJANGO, "Procfile": "release: python manage.py migrate"}).warnings == ()


def test_a_framework_that_nothing_requires_is_named() -> None:
    assert "add a requirements.txt with the line 'flask'" in plan({"app.py": FLASK}).warnings[0]
    assert installs({"app.py": FLASK}) == ["uv pip install gunicorn"]
