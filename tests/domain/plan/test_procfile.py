"""A Procfile is read as Heroku and Dokku read it."""

import pytest

from services.domain.errors import Invalid
from services.domain.plan.model import ProcessLine
from services.domain.plan.procfile import parse_procfile, shell_words
from tests.domain.plan.support import plan, start_of


@pytest.mark.parametrize(
    "content",
    [
        "web: python app.py",
        "web: python app.py\n",
        "web: python app.py\r\n",
        "\ufeffweb: python app.py\n",
        "  web: python app.py",
        "web : python app.py",
        "web:python app.py",
        "web:\tpython app.py   \n",
        "# web: python other.py\nweb: python app.py\n",
        "#web: python other.py\n\n\nweb: python app.py\n",
        "not a line\nweb: python app.py\n",
        "web: python app.py\nweb: python second.py\n",
        "worker: python worker.py\r\nweb: python app.py\r\n",
    ],
)
def test_the_web_line_starts_the_app(content: str) -> None:
    assert start_of({"Procfile": content, "app.py": ""}) == "python app.py"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python app.py", ("python", "app.py")),
        ("gunicorn -b :$PORT app:app", ("gunicorn", "-b", ":$PORT", "app:app")),
        ("gunicorn -b :${PORT} app:app", ("gunicorn", "-b", ":${PORT}", "app:app")),
        ("serve 'a b'", ("serve", "a b")),
        ("python app.py --port ${PORT:-5000}", ("sh", "-c", "exec python app.py --port ${PORT:-5000}")),
        ("python app.py $PORTS", ("sh", "-c", "exec python app.py $PORTS")),
        ("python app.py $WEB_CONCURRENCY", ("sh", "-c", "exec python app.py $WEB_CONCURRENCY")),
        ("python app.py > out.log", ("sh", "-c", "exec python app.py > out.log")),
        ("python a.py; python b.py", ("sh", "-c", "python a.py; python b.py")),
        ("cd src && python app.py", ("sh", "-c", "cd src && python app.py")),
        ("python a.py | tee log", ("sh", "-c", "python a.py | tee log")),
        ("X_MODE=prod python app.py", ("sh", "-c", "X_MODE=prod python app.py")),
        ("python app.py `date`", ("sh", "-c", "python app.py `date`")),
        ("python app.py $(date)", ("sh", "-c", "python app.py $(date)")),
        ("exec python app.py", ("sh", "-c", "exec python app.py")),
        ("source env.sh", ("sh", "-c", "source env.sh")),
        ("ls *.py", ("sh", "-c", "exec ls *.py")),
    ],
)
def test_shell_syntax_runs_through_a_shell_and_nothing_else_does(command: str, words: tuple[str, ...]) -> None:
    assert shell_words(ProcessLine(name="web", command=command)) == words


def test_what_cannot_be_split_is_named() -> None:
    with pytest.raises(Invalid, match="the web: line of the Procfile cannot be read: No closing quotation"):
        plan({"Procfile": "web: python 'app.py"})


def test_release_is_the_release_command_and_other_lines_are_named_as_not_run() -> None:
    made = plan({"Procfile": "release: python migrate.py && echo\nweb: ./run\nworker: ./work\nclock: ./tick\n"})

    assert made.release is not None
    assert made.release.arguments == ("sh", "-c", "python migrate.py && echo")
    assert made.release.source == "Procfile"
    assert [line.name for line in made.not_run] == ["worker", "clock"]


def test_names_are_letters_digits_dashes_and_underscores() -> None:
    lines = parse_procfile("web-2: a\n_x: b\nno dots.here: c\n: d\n")

    assert [line.name for line in lines] == ["web-2", "_x"]
