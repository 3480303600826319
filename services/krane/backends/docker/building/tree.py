"""The source as a tree: its entries in the order in which BuildKit wants to hear of them, and what is in its files."""

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

# A source of this size is not worth a file.
MEMORY_BYTES = 1024 * 1024
FOLDER_MODE = 0o755
# Beside the permissions, as in Go's os.FileMode.
FOLDER, SYMBOLIC_LINK = 1 << 31, 1 << 27


@dataclass(frozen=True, slots=True)
class TreeNode:
    """An entry without its owner, its times and its set-id bits, so that the same source is the same layer."""

    # With the bits of os.FileMode.
    mode: int
    # Where a symbolic link leads, or the earlier path of the same file; empty for all others.
    link: str = ""
    # Of a file: where its content is.
    offset: int = 0
    size: int = 0


class Tree:
    """Files, folders and links."""

    def __init__(self, nodes: Mapping[PurePosixPath, TreeNode], content: IO[bytes] | None = None) -> None:
        """`content` is that of all files, one after the other."""
        self.nodes = list(in_order(nodes).items())
        self._content = content or io.BytesIO()
        self._reading = threading.Lock()

    def pieces(self, node: TreeNode, size: int) -> Generator[bytes]:
        """The content of a file, in pieces of this size at most."""
        for offset in range(node.offset, node.offset + node.size, size):
            yield self._read(offset, min(size, node.offset + node.size - offset))

    def close(self) -> None:
        """Give up the contents."""
        self._content.close()

    def _read(self, offset: int, size: int) -> bytes:
        # Two calls may be answered at once, each in a thread.
        with self._reading:
            self._content.seek(offset)
            return self._content.read(size)


def read_tree(archive: Path, max_source_bytes: int, ignored: Ignored, folder: Path) -> Tree:
    """The tree of a source, without what is ignored. Whoever has it closes it.

    What is in a large one is kept in `folder`, in a file without a name: nothing of it is left when krane is killed.
    Raises Invalid when the archive is refused.
    """
    with ExitStack() as until_read:
        content = until_read.enter_context(SpooledTemporaryFile(MEMORY_BYTES, dir=str(folder)))
        tree = Tree(_read_nodes(archive, max_source_bytes, ignored, content), content)
        until_read.pop_all()
    return tree


def one_file(name: str, text: str) -> Tree:
    """A folder with one file."""
    content = text.encode()
    return Tree({PurePosixPath(name): TreeNode(0o644, size=len(content))}, io.BytesIO(content))


def in_order(nodes: Mapping[PurePosixPath, TreeNode]) -> dict[PurePosixPath, TreeNode]:
    """Entries as a walk finds them: folders before what they hold, and names beside each other by their bytes.

    Folders that are only named by what they hold are there too. Raises Invalid for what a file is to hold.
    """
    whole = dict(nodes)
    for path in nodes:
        for parent in path.parents[:-1]:
            if not whole.setdefault(parent, TreeNode(FOLDER | FOLDER_MODE)).mode & FOLDER:
                raise Invalid(f"the source is refused: {str(path)[:120]!r} is in something that is no folder")
    ordered = sorted(whole, key=lambda path: [os.fsencode(part) for part in path.parts])
    first: dict[int, PurePosixPath] = {}
    return {path: _as_link(path, whole[path], first) for path in ordered}


def _as_link(path: PurePosixPath, node: TreeNode, first: dict[int, PurePosixPath]) -> TreeNode:
    """A file, or another name of it: the one that comes first is the file, whichever it was in the archive."""
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
