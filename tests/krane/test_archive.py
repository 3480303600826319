"""Archives from outside: what reaches out of its folder or is too large is refused, before anything is written."""

import gzip
import tarfile
from pathlib import Path

import pytest

from services.domain.errors import Invalid
from services.krane.backends.building import archive
from services.krane.backends.building.archive import check_archive, unpack
from tests.krane.support import entry, pack, pack_entries

MAX_BYTES = 10_000
HOSTILE = {
    "absolute path": [entry("/etc/cron.d/evil")],
    "parent": [entry("../evil")],
    "hidden parent": [entry("a/../../evil")],
    "absolute link": [entry("a", tarfile.SYMTYPE, "/etc/passwd")],
    "link out": [entry("a/b", tarfile.SYMTYPE, "../../evil")],
    "link out through a folder": [entry("a", tarfile.SYMTYPE, "b/../../evil")],
    "file through a link": [entry("a", tarfile.SYMTYPE, "b"), entry("a/evil")],
    "file over a link": [entry("a", tarfile.SYMTYPE, "b"), entry("a")],
    "link up through a link": [
        entry("d/up", tarfile.SYMTYPE, ".."),
        entry("out", tarfile.SYMTYPE, "d/up/.."),
    ],
    "hard link out": [entry("a", tarfile.LNKTYPE, "/etc/passwd")],
    "hard link to a link": [entry("a", tarfile.SYMTYPE, "b"), entry("c", tarfile.LNKTYPE, "a")],
    "device": [entry("a", tarfile.CHRTYPE)],
    "block device": [entry("a", tarfile.BLKTYPE)],
    "pipe": [entry("a", tarfile.FIFOTYPE)],
}


def write(folder: Path, content: bytes) -> Path:
    path = folder / "source.tar.gz"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_entry_that_reaches_out_is_refused(tmp_path: Path, entries: list[tarfile.TarInfo]) -> None:
    packed = write(tmp_path, pack_entries([(hostile, b"") for hostile in entries]))

    with pytest.raises(Invalid, match="the source is refused"):
        check_archive(packed, MAX_BYTES)
    with pytest.raises(Invalid, match="the source is refused"):
        unpack(packed, tmp_path / "unpacked", MAX_BYTES)
    assert not (tmp_path / "evil").exists()


def test_links_that_stay_inside_are_kept(tmp_path: Path) -> None:
    packed = write(
        tmp_path,
        pack_entries(
            [
                (entry("bin/run", size=2), b"hi"),
                (entry("lib/run", tarfile.SYMTYPE, "../bin/run"), b""),
                (entry("same", tarfile.LNKTYPE, "bin/run"), b""),
            ]
        ),
    )

    unpack(packed, tmp_path / "unpacked", MAX_BYTES)

    assert (tmp_path / "unpacked" / "lib" / "run").read_text() == "hi"
    assert (tmp_path / "unpacked" / "same").read_text() == "hi"


def test_set_id_bits_are_dropped(tmp_path: Path) -> None:
    program = entry("program")
    program.mode = 0o6755

    unpack(write(tmp_path, pack_entries([(program, b"")])), tmp_path / "unpacked", MAX_BYTES)

    assert (tmp_path / "unpacked" / "program").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar"), pack({"a": "b" * 5000})[:-20]],
    ids=["empty", "text", "no tar", "cut off"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Invalid, match="not a gzipped tar"):
        check_archive(write(tmp_path, content), MAX_BYTES)


def test_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="unpacks to more than 50000 bytes"):
        check_archive(write(tmp_path, pack({"zeros": b"\0" * 50_001})), MAX_BYTES)


def test_header_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    header = entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=1 << 40)
    bomb = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2 * archive.MAX_HEADER_BYTES))

    with pytest.raises(Invalid, match="unpacks to more than"):
        check_archive(write(tmp_path, bomb), MAX_BYTES)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 3)

    with pytest.raises(Invalid, match="more than 3 files"):
        check_archive(write(tmp_path, pack({str(number): "" for number in range(4)})), MAX_BYTES)
