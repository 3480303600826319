"""The context that the engine gets: nothing that is ignored, nothing of the machine, the same for the same source."""

import io
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from services.domain.errors import Invalid
from services.krane.backends.docker.building.context import pack_context, read_ignore
from services.krane.backends.docker.building.source import MAX_FILE_BYTES, read_source
from tests.krane.support import entry, pack, pack_entries

MAX_BYTES = 1024 * 1024


def stored(folder: Path, archive: bytes) -> Path:
    path = folder / "source.tar.gz"
    path.write_bytes(archive)
    return path


def packed(archive: Path, ignore: str = "") -> dict[str, tarfile.TarInfo]:
    content = b"".join(pack_context(archive, MAX_BYTES, read_ignore(ignore), {"Dockerfile": "FROM a\n"}))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {one.name: one for one in tar}


@pytest.mark.parametrize(
    ("ignore", "ignored", "kept"),
    [
        ("node_modules", ["node_modules", "node_modules/a/b"], ["src/node_modules"]),
        ("**/node_modules/", ["node_modules/a", "src/node_modules/b"], ["node_modules.txt"]),
        ("*.log", ["a.log"], ["src/a.log"]),
        ("# comment\n\n/a.txt\n./b.txt", ["a.txt", "b.txt"], ["c.txt", "# comment"]),
        ("*\n!src\n", ["a", "b/c"], ["src", "src/a"]),
        ("src\n!src/keep\n", ["src/a"], ["src/keep"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
    ],
)
def test_dockerignore_means_what_it_means_to_docker(ignore: str, ignored: list[str], kept: list[str]) -> None:
    is_ignored = read_ignore(ignore)

    assert [path for path in ignored if not is_ignored(PurePosixPath(path))] == []
    assert [path for path in kept if is_ignored(PurePosixPath(path))] == []


def test_context_holds_the_source_without_owners_and_what_is_ignored(tmp_path: Path) -> None:
    program = entry("bin/run", size=2)
    program.uid, program.uname, program.mtime, program.mode = 1000, "somebody", 1_700_000_000, 0o4755
    link = entry("run", tarfile.SYMTYPE, "bin/run")
    replaced = entry("Dockerfile", size=9)
    archive = stored(
        tmp_path, pack_entries([(program, b"hi"), (link, b""), (entry("a.log"), b""), (replaced, b"# their s")])
    )

    entries = packed(archive, "*.log")

    assert set(entries) == {"Dockerfile", "bin/run", "run"}
    assert entries["Dockerfile"].size == len("FROM a\n")
    run = entries["bin/run"]
    assert (run.uid, run.uname, run.mtime, run.mode) == (0, "", 0, 0o755)
    assert entries["run"].linkname == "bin/run"


def test_names_of_any_length_are_kept(tmp_path: Path) -> None:
    name = f"{'folder/' * 40}ü.txt"

    assert name in packed(stored(tmp_path, pack({name: "x" * 700})))


def test_hard_link_to_what_is_ignored_is_refused(tmp_path: Path) -> None:
    archive = stored(tmp_path, pack_entries([(entry("a.log"), b""), (entry("b", tarfile.LNKTYPE, "a.log"), b"")]))

    with pytest.raises(Invalid, match=r"b is a hard link to a file that \.dockerignore leaves out"):
        packed(archive, "*.log")


def test_archive_that_reaches_out_is_refused(tmp_path: Path) -> None:
    archive = stored(tmp_path, pack_entries([(entry("out", tarfile.SYMTYPE, "/etc/passwd"), b"")]))

    with pytest.raises(Invalid, match="leads out of the archive"):
        packed(archive)


def test_dockerfile_is_read_from_the_top_alone(tmp_path: Path) -> None:
    source = read_source(stored(tmp_path, pack({"./Dockerfile": "FROM a", "sub/Dockerfile": "FROM b"})), MAX_BYTES)

    assert source.text("Dockerfile") == "FROM a"
    assert source.plan_files.names == {"Dockerfile", "sub/Dockerfile"}


def test_what_dockerignore_leaves_out_is_not_planned_with(tmp_path: Path) -> None:
    files = {".dockerignore": "package.json\n", "package.json": "{}", "app.py": "print()"}

    source = read_source(stored(tmp_path, pack(files)), MAX_BYTES)

    assert source.plan_files.names == {".dockerignore", "app.py"}
    assert source.plan_files.text("app.py") == "print()"


@pytest.mark.parametrize(
    "dockerfile",
    [
        (entry("Dockerfile", tarfile.SYMTYPE, "other"), b""),
        (entry("Dockerfile", size=MAX_FILE_BYTES + 1), bytes(MAX_FILE_BYTES + 1)),
    ],
)
def test_dockerfile_that_is_a_link_or_huge_is_refused(
    tmp_path: Path, dockerfile: tuple[tarfile.TarInfo, bytes]
) -> None:
    with pytest.raises(Invalid, match="Dockerfile cannot be read"):
        read_source(stored(tmp_path, pack_entries([dockerfile])), MAX_BYTES)
