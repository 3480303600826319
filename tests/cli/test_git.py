import subprocess
from pathlib import Path

import pytest

from services.cli.git import Revision, revision_of
from services.domain.errors import Invalid


def repository(folder: Path, *, commits: bool = True) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    steps = [["init", "-q", "-b", "feat/x"]]
    steps += [[*identity, "commit", "-q", "--allow-empty", "-m", "first"]] if commits else []
    for arguments in steps:
        subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=20)


def test_outside_of_git_the_branch_is_the_users_or_that_of_ci_or_main(tmp_path: Path) -> None:
    ci = {"CIRCLECI": "true", "CIRCLE_BRANCH": "feat/x", "CIRCLE_SHA1": "a" * 40}

    assert revision_of(tmp_path, "", {}) == Revision(branch="main")
    assert revision_of(tmp_path, "mine", {}) == Revision(branch="mine")
    assert revision_of(tmp_path, "", ci) == Revision(branch="feat/x", commit="a" * 40)


def test_a_repository_without_a_commit_has_a_branch(tmp_path: Path) -> None:
    repository(tmp_path, commits=False)

    assert revision_of(tmp_path, "", {}) == Revision(branch="feat/x")


def test_only_what_is_in_the_folder_makes_it_dirty(tmp_path: Path) -> None:
    repository(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "new").write_text("x")

    assert revision_of(tmp_path / "one", "", {}).is_dirty
    assert not revision_of(tmp_path / "two", "", {}).is_dirty


def test_an_error_of_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(Invalid, match=r"dubious ownership.*name one with --branch"):
        revision_of(tmp_path, "", {})
    told = revision_of(tmp_path, "mine", {})

    assert (told.branch, told.commit) == ("mine", "")
    assert "dubious ownership" in told.remarks[0]
