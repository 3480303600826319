import os
import socket
import subprocess
from pathlib import Path

import pytest

from services.cli.selecting import select


def fill(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def sent(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in select(root).paths if not path.is_dir()]


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, timeout=20)


def test_gitignore_counts_outside_of_git_also_in_folders(tmp_path: Path) -> None:
    fill(tmp_path, "app.py", ".env", "a.log", "sub/keep.log", "sub/b.log", "dist/out.js", "sub/secret", "secret")
    (tmp_path / ".gitignore").write_text(".env\n*.log\n!keep.log\n/dist/\n!\n")
    (tmp_path / "sub" / ".gitignore").write_text("secret\n")

    assert sent(tmp_path) == [".gitignore", "app.py", "secret", "sub/.gitignore", "sub/keep.log"]


def test_in_git_what_is_tracked_is_sent_and_the_rules_of_the_repository_count(tmp_path: Path) -> None:
    app = tmp_path / "apps" / "web"
    fill(app, "app.py", "dist/tracked.js", "dist/other.js", "local.txt", "top.txt")
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("dist/\ntop.txt\n")
    (tmp_path / ".git" / "info").mkdir(exist_ok=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("local.txt\n")
    git(tmp_path, "add", "-f", "apps/web/app.py", "apps/web/dist/tracked.js")

    assert sent(app) == ["app.py", "dist/tracked.js"]


def test_a_folder_that_git_ignores_can_be_named_itself(tmp_path: Path) -> None:
    fill(tmp_path, "dist/index.html")
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("dist/\n")

    assert sent(tmp_path / "dist") == ["index.html"]
    assert sent(tmp_path) == [".gitignore"]


def test_the_files_of_docker_and_interlock_count_after_git(tmp_path: Path) -> None:
    fill(tmp_path, "Dockerfile", "app.py", "docs/a.md", "docs/deep/b.md", "dist/out.js", "notes.txt", "sub/notes.txt")
    (tmp_path / ".gitignore").write_text("dist/\n")
    (tmp_path / ".dockerignore").write_text("# comment\nDockerfile\ndocs\n!docs/deep/b.md\nnotes.txt\n")
    (tmp_path / ".interlockignore").write_text("app.py\n!dist/\n")

    assert sent(tmp_path) == [
        ".dockerignore",
        ".gitignore",
        ".interlockignore",
        "Dockerfile",
        "dist/out.js",
        "docs/deep/b.md",
        "sub/notes.txt",
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside"])
def test_a_link_to_the_outside_is_left_out_and_told(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    fill(root, "sub/a")
    fill(tmp_path, "outside")
    (root / "link").symlink_to(target)

    assert sent(root) == ["sub/a"]
    assert select(root).remarks == (f"not sent: link, a link to {target}, outside of the folder",)


def test_sockets_and_pipes_are_left_out_and_told_unless_they_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path, "app.py", "ignored/a")
    (tmp_path / ".dockerignore").write_text("ignored\n")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "ignored" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))

    assert sent(tmp_path) == [".dockerignore", "app.py"]
    assert [remark.split(",")[0] for remark in select(tmp_path).remarks] == ["not sent: pipe", "not sent: socket"]


def test_a_virtual_environment_is_left_out_by_whatever_name(tmp_path: Path) -> None:
    fill(tmp_path, "app.py", "my-env/pyvenv.cfg", "my-env/lib/x.py")

    assert sent(tmp_path) == ["app.py"]


def test_a_large_source_names_its_largest_files(tmp_path: Path) -> None:
    fill(tmp_path, "app.py")
    small = select(tmp_path)
    for number in range(1, 5):
        with (tmp_path / f"data{number}").open("wb") as file:
            file.truncate(number * 4 * 1024 * 1024)

    assert small.summary() == "1 file, 6 bytes"
    assert select(tmp_path).summary() == (
        "5 files, 40.0 MiB; largest: data4 (16.0 MiB), data3 (12.0 MiB), data2 (8.0 MiB)"
    )
