"""How BuildKit fetches a folder: it hears of every entry, asks for the files that it wants, and says when it has them.

An entry goes by its number, counted from 0 in the order in which they were told of.
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
# The folders that a build asks for.
CONTEXT, DOCKERFILES = "context", "dockerfile"
PIECE_BYTES = 32 * 1024
# Asked for before the context, to leave out of it what this says. krane has done so: it says nothing.
ONLY_DOCKERIGNORE = [".dockerignore"]


class FileSync:
    """The folders of one build."""

    def __init__(self, folders: Mapping[str, Tree]) -> None:
        self._folders = folders

    async def diff_copy(self, call: Call) -> None:
        """Send a folder, whole: patterns of what would do are not read, as they only spare work."""
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
    """Every entry, and that there are no more."""
    for path, node in tree.nodes:
        yield _packet(pb.PACKET_TYPE_STAT, stat=_stat(os.fsencode(path), node))
    yield _packet(pb.PACKET_TYPE_STAT)


def data_packets(tree: Tree, numbers: Iterable[int]) -> Generator[bytes]:
    """The content of files."""
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
