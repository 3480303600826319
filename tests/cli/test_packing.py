import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from services.cli import packing
from services.cli.packing import copy_archive, pack
from services.cli.selecting import select
from services.domain.errors import Invalid


def packed(root: Path) -> bytes:
    buffer = io.BytesIO()
    pack(select(root), buffer)
    return buffer.getvalue()


def entries(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {entry.name: entry for entry in archive}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        (root / "sub").mkdir(parents=True)
        for file in ("b.py", "a.py", "sub/c.py") if name == "one" else ("sub/c.py", "a.py", "b.py"):
            (root / file).write_text(file)
    os.utime(tmp_path / "two" / "a.py", (1, 1))
    (tmp_path / "two" / "b.py").chmod(0o600)

    first, second = packed(tmp_path / "one"), packed(tmp_path / "two")

    assert first == second
    assert list(entries(first)) == ["a.py", "b.py", "sub", "sub/c.py"]
    assert {(e.uid, e.gid, e.uname, e.mtime) for e in entries(first).values()} == {(0, 0, "", 0)}


def test_what_can_be_run_stays_so(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o700)

    assert entries(packed(tmp_path))["run"].mode == 0o755


def test_what_is_never_wanted_stays_at_home(tmp_path: Path) -> None:
    for name in (".git", ".venv", "__pycache__", "node_modules", "sub/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")

    assert list(entries(packed(tmp_path))) == ["sub"]


def test_a_link_that_stays_inside_is_kept(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "sub" / "link").symlink_to("../file")

    assert entries(packed(tmp_path))["sub/link"].linkname == "../file"


def test_too_much_is_refused_before_anything_is_packed(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as big:
        big.truncate(packing.MAX_BYTES + 1)

    with pytest.raises(Invalid, match="200 MiB"):
        packed(tmp_path)


def test_a_tar_that_is_there_is_gzipped_unless_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")
    zipped = packed(tmp_path)

    for given in (zipped, gzip.decompress(zipped)):
        copy = io.BytesIO()
        copy_archive(io.BytesIO(given), copy)
        assert copy.getvalue() == zipped


def test_a_tar_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_BYTES", 1000)

    with pytest.raises(Invalid, match="larger than the limit of"):
        copy_archive(io.BytesIO(bytes(1001)), io.BytesIO())
