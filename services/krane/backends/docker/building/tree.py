"""The source as BuildKit takes it: its entries in BuildKit's order, and the contents of its files."""

import io
import os
import shutil
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO

from services.domain.errors import Invalid
from services.krane.backends.building.archive import checked_entries
from services.krane.backends.docker.building.context import Ignored, check_link

# Smaller sources are kept in memory, larger ones in a file.
MEMORY_BYTES = 1024 * 1024
FOLDER_MODE = 0o755
# Type bits of Go's os.FileMode.
FOLDER, SYMBOLIC_LINK = 1 << 31, 1 << 27


@dataclass(frozen=True, slots=True)
class TreeNode:
    """An entry without owner, times and set-id bits, so that the same source gives the same layer."""

    # Includes the type bits of os.FileMode.
    mode: int
    # Target of a symbolic link, or the earlier path of a hard link; else empty.
    link: str = ""
    # Where a file's content begins.
    offset: int = 0
    size: int = 0


class Tree:
    """Files, folders and links."""

    def __init__(self, nodes: Mapping[PurePosixPath, TreeNode], content: IO[bytes] | None = None) -> None:
        """`content` holds the contents of all files, one after the other."""
        self.nodes = list(in_order(nodes).items())
        self._content = content or io.BytesIO()
        self._reading = threading.Lock()

    def pieces(self, node: TreeNode, size: int) -> Generator[bytes]:
        """Yield a file's content in pieces of at most this size."""
        for offset in range(node.offset, node.offset + node.size, size):
            yield self._read(offset, min(size, node.offset + node.size - offset))

    def close(self) -> None:
        """Close the contents."""
        self._content.close()

    def _read(self, offset: int, size: int) -> bytes:
        # Two calls may read at once, each in a thread.
        with self._reading:
            self._content.seek(offset)
            return self._content.read(size)


def read_tree(archive: Path, max_source_bytes: int, ignored: Ignored, folder: Path) -> Tree:
    """Return the tree of a source, without ignored entries. The caller closes it.

    A large source is kept in `folder`, in a file without a name, so that nothing is left if krane is killed. Raises
    Invalid if the archive is refused.
    """
    with ExitStack() as until_read:
        content = until_read.enter_context(SpooledTemporaryFile(MEMORY_BYTES, dir=str(folder)))
        tree = Tree(_read_nodes(archive, max_source_bytes, ignored, content), content)
        until_read.pop_all()
    return tree


def one_file(name: str, text: str) -> Tree:
    """Return a folder with one file."""
    content = text.encode()
    return Tree({PurePosixPath(name): TreeNode(0o644, size=len(content))}, io.BytesIO(content))


def in_order(nodes: Mapping[PurePosixPath, TreeNode]) -> dict[PurePosixPath, TreeNode]:
    """Return the entries in the order of a walk: folders before their contents, siblings sorted by bytes.

    Adds folders that are only named by their contents. Raises Invalid if an entry is inside of a file.
    """
    whole = dict(nodes)
    for path in nodes:
        for parent in path.parents[:-1]:
            if not whole.setdefault(parent, TreeNode(FOLDER | FOLDER_MODE)).mode & FOLDER:
                raise Invalid(f"the source is refused: {str(path)[:120]!r} is inside of something that is not a folder")
    ordered = sorted(whole, key=lambda path: [os.fsencode(part) for part in path.parts])
    first: dict[int, PurePosixPath] = {}
    return {path: _as_link(path, whole[path], first) for path in ordered}


def _as_link(path: PurePosixPath, node: TreeNode, first: dict[int, PurePosixPath]) -> TreeNode:
    """Return a file, or a hard link to its first name in this order, whichever was the file in the archive."""
    known = first.setdefault(node.offset, path) if node.size else path
    return node if known == path else replace(node, link=str(known))


def _read_nodes(
    archive: Path, max_source_bytes: int, ignored: Ignored, content: IO[bytes]
) -> dict[PurePosixPath, TreeNode]:
    nodes: dict[PurePosixPath, TreeNode] = {}
    for tar, entry in checked_entries(archive, max_source_bytes):
        path = PurePosixPath(entry.name)
        if ignored(path) or not path.parts:
            continue
        mode = entry.mode & 0o777
        if entry.isdir():
            nodes[path] = TreeNode(FOLDER | mode)
        elif entry.issym():
            nodes[path] = TreeNode(SYMBOLIC_LINK | 0o777, entry.linkname)
        elif entry.islnk():
            check_link(entry, ignored)
            nodes[path] = nodes[PurePosixPath(entry.linkname)]
        elif file := tar.extractfile(entry):
            nodes[path] = TreeNode(mode, offset=content.tell(), size=entry.size)
            shutil.copyfileobj(file, content)
    return nodes
