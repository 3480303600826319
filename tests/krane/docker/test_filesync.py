"""What BuildKit hears of a folder: every entry after its folder, in the order of a walk, and what is in files."""

import tarfile
from pathlib import Path, PurePosixPath

import pytest

from services.domain.errors import Invalid
from services.gen.buildkit.v1 import session_pb2 as pb
from services.krane.backends.docker.building.context import read_ignore
from services.krane.backends.docker.building.filesync import PIECE_BYTES, data_packets, stat_packets
from services.krane.backends.docker.building.tree import FOLDER, SYMBOLIC_LINK, Tree, TreeNode, in_order, read_tree
from tests.krane.support import entry, pack_entries

MAX_BYTES = 1024 * 1024


def tree(folder: Path, entries: list[tuple[tarfile.TarInfo, bytes]], ignore: str = "") -> Tree:
    archive = folder / "source.tar.gz"
    archive.write_bytes(pack_entries(entries))
    return read_tree(archive, MAX_BYTES, read_ignore(ignore), folder)


def packets(pieces: list[bytes]) -> list[pb.Packet]:
    return [pb.Packet.FromString(piece[5:]) for piece in pieces]


def test_names_are_compared_part_by_part_and_by_their_bytes() -> None:
    paths = ["b", "a/c", "a-b", "a.b/c", "a", "\udcff", "ü", "Z", "\U0001f600"]

    ordered = in_order({PurePosixPath(path): TreeNode(FOLDER if path == "a" else 0o644) for path in paths})

    assert [str(path) for path in ordered] == ["Z", "a", "a/c", "a-b", "a.b", "a.b/c", "b", "ü", "\U0001f600", "\udcff"]
    assert ordered[PurePosixPath("a.b")].mode == FOLDER | 0o755


def test_nothing_is_in_a_file() -> None:
    with pytest.raises(Invalid, match="'a/b/c' is inside of something that is not a folder"):
        in_order({PurePosixPath("a"): TreeNode(0o644), PurePosixPath("a/b/c"): TreeNode(0o644)})


def test_every_entry_is_told_without_what_is_ignored(tmp_path: Path) -> None:
    source = tree(
        tmp_path,
        [
            (entry("src/z", size=3), b"one"),
            (entry("src/link", tarfile.SYMTYPE, "z"), b""),
            (entry("src/a", tarfile.LNKTYPE, "src/z"), b""),
            (entry("a.log", size=1), b"x"),
            (entry("src/z.txt", size=3), b"old"),
            (entry("src/z.txt", size=3), b"new"),
        ],
        "*.log\n",
    )

    *stats, last = packets(list(stat_packets(source)))
    contents = packets(list(data_packets(source, [4, 1])))

    assert [(one.stat.path, one.stat.mode, one.stat.size, one.stat.linkname) for one in stats] == [
        (b"src", FOLDER | 0o755, 0, b""),
        # The first is the file, and the other its name.
        (b"src/a", 0o755, 3, b""),
        (b"src/link", SYMBOLIC_LINK | 0o777, 0, b"z"),
        (b"src/z", 0o755, 3, b"src/a"),
        (b"src/z.txt", 0o755, 3, b""),
    ]
    assert not last.HasField("stat")
    assert [(one.id, one.data) for one in contents] == [(4, b"new"), (4, b""), (1, b"one"), (1, b"")]
    source.close()


def test_large_files_are_sent_in_pieces_and_kept_in_a_file_without_a_name(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    source = tree(tmp_path, [(entry("large", size=len(content)), content), (entry("other", size=1), b"x")])

    pieces = [packet.data for packet in packets(list(data_packets(source, [0])))]

    assert [path.name for path in tmp_path.iterdir()] == ["source.tar.gz"]
    assert max(len(piece) for piece in pieces) == PIECE_BYTES
    assert b"".join(pieces) == content
    source.close()


def test_hard_link_to_what_is_ignored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"b is a hard link to a file that \.dockerignore leaves out"):
        tree(tmp_path, [(entry("a.log"), b""), (entry("b", tarfile.LNKTYPE, "a.log"), b"")], "*.log")
