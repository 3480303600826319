"""`interlock plan` shows what would be done with a folder, and needs nothing that runs."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Interlock


def folder(root: Path, **files: str) -> str:
    for name, content in files.items():
        path = root / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return str(root)


FLASK = "from flask import Flask\napp = Flask(__name__)\n"


def test_every_line_names_the_file_that_it_comes_from(interlock: Interlock, tmp_path: Path) -> None:
    result = interlock(
        "plan", folder(tmp_path, app__py=FLASK, requirements__txt="flask\n", Procfile="worker: ./work\n")
    )

    assert result.code == 0
    assert result.out.splitlines() == [
        "language     python  (requirements.txt)",
        "packages by  uv  (requirements.txt)",
        "install      uv pip install -r requirements.txt  (requirements.txt)",
        "install      uv pip install gunicorn  # gunicorn is not among the requirements: add the line 'gunicorn' "
        "to choose its version  (app.py)",
        "start        python -m gunicorn --bind '$HOST:$PORT' app:app  # Flask app, served by gunicorn  (app.py)",
        "not run      worker: ./work  (Procfile)",
    ]


def test_the_plan_is_json_as_well(interlock: Interlock, tmp_path: Path) -> None:
    result = interlock("plan", folder(tmp_path, app__py=FLASK, requirements__txt="flask\n"), "-o", "json")

    made = json.loads(result.out)
    assert made["language"] == {"value": "python", "source": "requirements.txt"}
    assert made["start"]["source"] == "app.py"


def test_what_is_missing_is_an_error_and_a_command_rescues_it(interlock: Interlock, tmp_path: Path) -> None:
    source = folder(tmp_path, tool__py="")

    silent = interlock("plan", source)
    rescued = interlock("plan", source, "--command", "python tool.py")

    assert silent.code == 2
    assert "deploy with --command 'python tool.py'" in silent.err
    assert rescued.code == 0
    assert "start     python tool.py  (request)" in rescued.out


@pytest.mark.parametrize(("backend", "language"), [("process", "python"), ("docker", "dockerfile")])
def test_a_dockerfile_counts_where_there_are_containers(
    interlock: Interlock, tmp_path: Path, backend: str, language: str
) -> None:
    source = folder(tmp_path, Dockerfile="FROM x", app__py="")

    assert interlock("plan", source, "--backend", backend).out.split()[1] == language


def test_a_folder_that_is_not_there_is_named(interlock: Interlock, tmp_path: Path) -> None:
    result = interlock("plan", str(tmp_path / "nowhere"))

    assert result.code == 2
    assert "nowhere" in result.err


def test_what_is_not_sent_does_not_count(interlock: Interlock, tmp_path: Path) -> None:
    folder(tmp_path / "node_modules", package__json="{}")

    result = interlock("plan", folder(tmp_path, index__html="hello"))

    assert "serve     the files in .  (index.html)" in result.out
