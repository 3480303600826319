"""Sends folders to BuildKit: it gets a list of all entries, asks for files by number, and says when it is done.

Entries are numbered from 0 in the order of the list.
"""

import os
from collections.abc import Generator, Iterable, Mapping

from services.gen.buildkit.v1 import session_pb2 as pb
from services.krane.backends.docker.building.context import in_background
from services.krane.backends.docker.building.session import Call, framed
from services.krane.backends.docker.building.tree import Tree, TreeNode
from services.telemetry import get_logger

log = get_logger(__name__)

DIFF_COPY = "/moby.filesync.v1.FileSync/DiffCopy"
# The names of the folders that a build requests.
CONTEXT, DOCKERFILES = "context", "dockerfile"
PIECE_BYTES = 32 * 1024
# BuildKit asks for this file before the context, to apply it. krane has applied it already, and sends nothing.
ONLY_DOCKERIGNORE = [".dockerignore"]


class FileSync:
    """The folders of one build."""

    def __init__(self, folders: Mapping[str, Tree]) -> None:
        self._folders = folders

    async def diff_copy(self, call: Call) -> None:
        """Send a whole folder. The request's patterns are ignored: they would only save work."""
        tree = self._folders.get(call.metadata.get("dir-name", [""])[0])
        if tree is None or call.metadata.get("followpaths") == ONLY_DOCKERIGNORE:
            tree = Tree({})
        async for piece in in_background(stat_packets(tree)):
            await call.send(piece)
        while messages := await call.receive():
            packets = [pb.Packet.FromString(message) for message in messages]
            wanted = [packet.id for packet in packets if packet.type == pb.PACKET_TYPE_REQUEST]
            async for piece in in_background(data_packets(tree, wanted)):
                await call.send(piece)
            for packet in packets:
                if packet.type == pb.PACKET_TYPE_ERROR:
                    log.warning("the engine did not take a source", reason=packet.data.decode(errors="replace"))
                    return
                if packet.type == pb.PACKET_TYPE_FINISHED:
                    await call.send(_packet(pb.PACKET_TYPE_FINISHED))
                    return


def stat_packets(tree: Tree) -> Generator[bytes]:
    """Yield every entry, then the end of the list."""
    for path, node in tree.nodes:
        yield _packet(pb.PACKET_TYPE_STAT, stat=_stat(os.fsencode(path), node))
    yield _packet(pb.PACKET_TYPE_STAT)


def data_packets(tree: Tree, numbers: Iterable[int]) -> Generator[bytes]:
    """Yield the content of files."""
    for number in numbers:
        for piece in tree.pieces(tree.nodes[number][1], PIECE_BYTES):
            yield _packet(pb.PACKET_TYPE_DATA, number=number, data=piece)
        yield _packet(pb.PACKET_TYPE_DATA, number=number)


def _packet(
    kind: pb.PacketType,
    *,
    stat: pb.Stat | None = None,
    number: int = 0,
    data: bytes = b"",
) -> bytes:
    return framed(pb.Packet(type=kind, stat=stat, id=number, data=data).SerializeToString())


def _stat(path: bytes, node: TreeNode) -> pb.Stat:
    return pb.Stat(path=path, mode=node.mode, size=node.size, linkname=os.fsencode(node.link))
