"""Who says what counts, what is missing, and that the same files give the same plan."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import Invalid
from services.domain.plan import GivenSettings, SourceFiles, is_read, make_plan, plan_lines
from services.domain.settings import RunSettings
from tests.domain.plan.support import plan, source

TOML = (
    '[start]\ncommand = ["python", "toml.py"]\nport = 9000\n[health]\npath = "/up"\n'
    '[release]\ncommand = "python migrate.py"\n[build]\ncommand = "make all"\n'
)
EVERYTHING = {
    "interlock.toml": TOML,
    "Procfile": "web: python proc.py\nrelease: python other.py\nworker: x",
    "app.py": "from flask import Flask\napp = Flask(__name__)",
    "requirements.txt": "flask",
}


def said(name: str, **settings: object) -> GivenSettings:
    return GivenSettings(name=name, settings=RunSettings(**settings))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("settings", "left_out", "start", "says_it"),
    [
        ((said("request", command=("a",)), said("project", command=("b",))), (), ("a",), "request"),
        ((said("request"), said("project", command=("b",))), (), ("b",), "project"),
        ((said("request"), said("project")), (), ("python", "toml.py"), "interlock.toml"),
        ((), ("interlock.toml",), ("python", "proc.py"), "Procfile"),
        (
            (),
            ("interlock.toml", "Procfile"),
            ("python", "-m", "gunicorn", "--bind", "$HOST:$PORT", "app:app"),
            "app.py",
        ),
    ],
)
def test_request_project_toml_procfile_and_detection_are_heard_in_this_order(
    settings: tuple[GivenSettings, ...], left_out: tuple[str, ...], start: tuple[str, ...], says_it: str
) -> None:
    files = {name: content for name, content in EVERYTHING.items() if name not in left_out}

    made = make_plan(source(files), settings)

    assert made.start is not None
    assert (made.start.arguments, made.start.source) == (start, says_it)


def test_toml_says_build_release_port_and_health() -> None:
    made = plan(EVERYTHING)

    assert made.release is not None
    assert made.port is not None
    assert made.health is not None
    assert [step.arguments for step in made.build] == [("make", "all")]
    assert made.release.arguments == ("python", "migrate.py")
    assert (made.port.value, made.health.value) == ("9000", "/up")


def test_no_release_command_can_be_said_from_outside() -> None:
    assert make_plan(source(EVERYTHING), [said("request", release_command=())]).release is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"tool.py": "", "requirements.txt": "six"}, ['["python", "tool.py"]', "--command 'python tool.py'"]),
        ({"package.json": "{}"}, ['"node", "server.js"', '"start" script', "--command 'node server.js'"]),
        ({"main.go": ""}, ['["./run"]', 'a line "web: ./run"', "--command './run'"]),
        ({}, ["add a file interlock.toml"]),
    ],
)
def test_what_to_add_is_said_in_the_words_of_the_language(files: dict[str, str], words: list[str]) -> None:
    made = plan(files)

    assert made.missing_start.startswith("the source does not say how it is started: add a file interlock.toml with")
    assert all(word in made.missing_start for word in words)
    with pytest.raises(Invalid, match="does not say how it is started"):
        made.check_start()


def test_a_command_from_outside_rescues_a_source_that_says_nothing() -> None:
    made = make_plan(source({"tool.py": ""}), [said("request", command=("python", "tool.py"))])

    made.check_start()
    assert made.missing_start == ""


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"index.html": ""}, "."),
        ({"public/index.html": ""}, "public"),
        ({"Staticfile": "root: dist\n", "dist/x.html": ""}, "dist"),
        ({"interlock.toml": '[static]\nfolder = "site"', "site/x.html": ""}, "site"),
    ],
)
def test_files_alone_are_served(files: dict[str, str], folder: str) -> None:
    made = plan(files)

    assert made.static is not None
    assert (made.language.value, made.static.folder) == ("static", folder)
    made.check_start()


@pytest.mark.parametrize(
    "content",
    [
        "[start",
        "[start]\ncommand = []",
        "[start]\ncommand = 3",
        "[start]\ncommand = [3]",
        '[start]\ncommand = "\'"',
        "start = 1",
        "[start]\nport = 'x'",
        "[health]\npath = 3",
        "[static]\nfolder = '../x'",
    ],
)
def test_a_toml_that_is_wrong_is_named(content: str) -> None:
    with pytest.raises(Invalid, match=r"interlock\.toml"):
        plan({"interlock.toml": content})


def test_a_dockerfile_is_used_where_there_are_containers() -> None:
    files = source({"Dockerfile": "FROM x", "Procfile": "web: ./run", "interlock.toml": "[start]\nport = 9000"})

    made = make_plan(files, builds_dockerfiles=True)

    assert (made.language.value, made.language.source) == ("dockerfile", "Dockerfile")
    assert made.start is None
    assert made.warnings == ("Procfile is not used: the Dockerfile says how the app is started",)
    made.check_start()


def test_where_there_are_no_containers_a_dockerfile_alone_says_how_to_switch() -> None:
    made = make_plan(source({"Dockerfile": "FROM x", "main.go": ""}))

    assert "INTERLOCK_KRANE__BACKEND=docker" in made.missing_start


def test_where_there_are_no_containers_the_rest_of_the_source_counts() -> None:
    made = make_plan(source({"Dockerfile": "FROM x", "app.py": ""}))

    assert made.start is not None
    assert made.warnings == ("Dockerfile is not used: this backend runs processes, not containers",)


def test_a_plan_is_shown_with_the_files_that_say_it() -> None:
    lines = plan_lines(plan(EVERYTHING))

    assert "language     python  (requirements.txt)" in lines
    assert "install      uv pip install -r requirements.txt  (requirements.txt)" in lines
    assert "start        python toml.py  (interlock.toml)" in lines
    assert "not run      worker: x  (Procfile)" in lines


NAMES = st.sampled_from(
    [
        "app.py",
        "main.py",
        "api.py",
        "manage.py",
        "mysite/settings.py",
        "mysite/wsgi.py",
        "pkg/__init__.py",
        "pkg/__main__.py",
        "src/app.py",
        "requirements.txt",
        "pyproject.toml",
        "uv.lock",
        "Pipfile",
        "poetry.lock",
        "setup.py",
        "package.json",
        "yarn.lock",
        "package-lock.json",
        "server.js",
        "index.html",
        "Procfile",
        "interlock.toml",
        "Dockerfile",
        ".python-version",
        "runtime.txt",
        ".nvmrc",
        "next.config.js",
    ]
)
TEXTS = st.sampled_from(
    [
        "",
        "from flask import Flask\napp = Flask(__name__)\n",
        "from fastapi import FastAPI\nx = FastAPI()\n",
        "def create_app():\n    from flask import Flask\n",
        "import streamlit\n",
        "flask\n",
        "[project]\nname = 'x'\n",
        '{"scripts": {"build": "vite build"}}',
        "web: python x.py\nworker: y\n",
        "3.12",
        "DJANGO_SETTINGS_MODULE",
    ]
)


@given(st.dictionaries(NAMES, TEXTS), st.randoms(use_true_random=False))
def test_the_same_files_in_any_order_give_the_same_plan(files: dict[str, str], order: random.Random) -> None:
    def outcome(names: list[str]) -> object:
        texts = {name: files[name] for name in names if is_read(name)}
        try:
            return make_plan(SourceFiles(names=frozenset(names), texts=texts))
        except Invalid as error:
            return error.message

    names = list(files)
    shuffled = order.sample(names, len(names))

    assert outcome(names) == outcome(shuffled)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("app.py", True),
        ("anything.py", True),
        ("a/b/main.py", True),
        ("a/b/anything.py", False),
        ("tests/main.py", False),
        ("node_modules/x/server.js", False),
        ("venv/lib/site-packages/x/main.py", False),
        ("requirements-dev.txt", True),
        ("requirements/base.txt", True),
        ("data.txt", False),
        ("README.md", False),
    ],
)
def test_only_files_that_take_part_are_read(name: str, read: bool) -> None:
    assert is_read(name) is read


def test_texts_are_read_whatever_their_encoding() -> None:
    content = {"requirements.txt": "six\n".encode("utf-16"), "Procfile": "\ufeffweb: x".encode(), "app.py": b"\xff"}

    files = SourceFiles.collect(content, content.__getitem__)

    assert files.text("requirements.txt") == "six\n"
    assert files.text("Procfile") == "web: x"
