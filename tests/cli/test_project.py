import subprocess
from pathlib import Path

import pytest

from services.cli.project import default_project, find_project


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    """A folder two levels down in a git repository."""
    inner = tmp_path / "repository" / "services" / "api"
    inner.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True, timeout=20)
    return inner


def name_in_toml(folder: Path, project: str) -> None:
    (folder / "interlock.toml").write_text(f'project = "{project}"\n')


def test_the_nearest_file_names_the_project(inner: Path) -> None:
    name_in_toml(inner.parent.parent, "all")
    assert find_project(inner, {}) == "all"

    name_in_toml(inner, "api")
    assert find_project(inner, {}) == "api"


def test_the_variable_comes_before_files(inner: Path) -> None:
    name_in_toml(inner, "api")

    assert find_project(inner, {"INTERLOCK_PROJECT": "other"}) == "other"


def test_a_file_beside_the_source_names_it_where_interlock_toml_does_not(inner: Path) -> None:
    (inner / "interlock.toml").write_text("[start]\ncommand = ['x']\n")
    (inner / ".interlock").mkdir()
    (inner / ".interlock" / "project").write_text("mine\n")

    assert find_project(inner, {}) == "mine"


def test_files_outside_of_the_repository_are_not_asked(inner: Path, tmp_path: Path) -> None:
    name_in_toml(tmp_path, "outside")

    assert find_project(inner, {}) == ""


def test_outside_of_git_only_the_folder_itself_is_asked(tmp_path: Path) -> None:
    name_in_toml(tmp_path, "outside")
    (tmp_path / "folder").mkdir()

    assert find_project(tmp_path / "folder", {}) == ""
    assert find_project(tmp_path, {}) == "outside"


def test_no_project_is_an_error_that_names_the_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERLOCK_PROJECT", raising=False)

    with pytest.raises(Exception, match="use -p PROJECT, set INTERLOCK_PROJECT"):
        default_project()
