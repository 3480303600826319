"""Turns the progress of a builder into lines of the build log, and a sentence if it fails."""

import base64
import binascii
import re
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from services.gen.buildkit.v1 import progress_pb2 as pb
from services.krane.backends.building.builder import BuildLog
from services.krane.backends.docker.building.failures import describe_failure, read_step
from services.krane.backends.docker.building.images import Traces
from services.krane.backends.docker.shapes import BuildProgress

_LAYER = re.compile(r" ---> (?P<id>[0-9a-f]{12})\n")
_CONTAINER = re.compile(r" ---> Running in (?P<id>[0-9a-f]{12})\n")
# BuildKit's names of steps: "[2/3] RUN make", "[tools 1/2] FROM python:3.11", "FROM python:3.11".
_NUMBERED = re.compile(r"\[(?:\S+ )?[0-9]+/[0-9]+\] (?P<instruction>.*)", re.DOTALL)
_LOOKED_UP = "[internal] load metadata for "
# The error of the other steps when one fails.
_CANCELLED = "context canceled"


@dataclass(slots=True)
class ClassicOutput:
    """Follows the classic builder, which runs one step after the other."""

    log: BuildLog
    traces: Traces
    # Memory limit of each instruction; None = no limit.
    memory_mib: int | None
    failure: str = ""
    # The running instruction; empty before the first.
    step: str = ""

    def take(self, progress: BuildProgress) -> None:
        """Log the output, and note the layers and containers in it."""
        self.log.write(progress.text)
        self.step = read_step(progress.stream) or self.step
        if layer := _LAYER.fullmatch(progress.stream):
            self.traces.layers.append(layer["id"])
        elif container := _CONTAINER.fullmatch(progress.stream):
            self.traces.containers.append(container["id"])
        if progress.error:
            self.log.say(progress.error)
            code = progress.error_detail.code if progress.error_detail else None
            self.failure = describe_failure(self.step, progress.error, code, self.memory_mib)


@dataclass(slots=True)
class _Step:
    """What was logged of one step."""

    number: int
    # Ids of what is being pulled or exported.
    parts: set[str] = field(default_factory=set[str])
    # Unfinished line of each stream.
    begun: dict[int, bytes] = field(default_factory=dict[int, bytes])
    has_ended: bool = False


class BuildKitOutput:
    """Follows BuildKit, whose steps run in parallel: each line of the log begins with the number of its step.

    The lines are those of `docker build --progress=plain`. A step gets its number when it begins, so a step that never
    runs is not in the log.
    """

    def __init__(self, log: BuildLog) -> None:
        self.failure = ""
        # Empty until the image exists.
        self.image_id = ""
        self._log = log
        # Steps by digest.
        self._steps: dict[str, _Step] = {}
        # The first step that failed by itself.
        self._failed: pb.Vertex | None = None

    def take(self, progress: BuildProgress) -> None:
        """Log one progress message."""
        if progress.trace:
            self._follow(_decode(progress.trace))
        self.image_id = progress.image_id or self.image_id
        if progress.error:
            self._log.say(progress.error)
            step = _instruction(self._failed.name) if self._failed else ""
            self.failure = describe_failure(step, self._failed.error if self._failed else progress.error, None)

    def _follow(self, status: pb.StatusResponse) -> None:
        # A step may end in the same message as its last output.
        for vertex in status.vertexes:
            self._begin(vertex)
        for part in status.statuses:
            self._name_part(part)
        for piece in status.logs:
            self._print(piece)
        for warning in status.warnings:
            self._log.say(f"warning: {_text(warning.short)}")
        for vertex in status.vertexes:
            self._end(vertex)

    def _begin(self, vertex: pb.Vertex) -> None:
        is_begun = vertex.HasField("started") or vertex.cached or vertex.error
        if is_begun and vertex.digest not in self._steps:
            step = self._steps[vertex.digest] = _Step(len(self._steps) + 1)
            self._say(step, vertex.name)

    def _name_part(self, part: pb.VertexStatus) -> None:
        step = self._steps.get(part.vertex)
        if step and part.id not in step.parts:
            step.parts.add(part.id)
            self._say(step, part.id)

    def _print(self, piece: pb.VertexLog) -> None:
        if step := self._steps.get(piece.vertex):
            *lines, begun = (step.begun.get(piece.stream, b"") + piece.msg).split(b"\n")
            step.begun[piece.stream] = begun
            for line in lines:
                self._say(step, _text(line))

    def _end(self, vertex: pb.Vertex) -> None:
        step = self._steps.get(vertex.digest)
        if step is None or step.has_ended or not (vertex.HasField("completed") or vertex.error):
            return
        step.has_ended = True
        for line in step.begun.values():
            if line:
                self._say(step, _text(line))
        if vertex.error:
            self._say(step, f"ERROR: {vertex.error}")
            if self._failed is None and _CANCELLED not in vertex.error:
                self._failed = vertex
        else:
            self._say(step, "CACHED" if vertex.cached else f"DONE {_seconds(vertex):.1f}s")

    def _say(self, step: _Step, text: str) -> None:
        self._log.say(f"#{step.number} {text}")


def _decode(trace: str) -> pb.StatusResponse:
    try:
        return pb.StatusResponse.FromString(base64.b64decode(trace))
    except (binascii.Error, DecodeError):
        # From an engine of another version. The log must not fail the build.
        return pb.StatusResponse()


def _instruction(name: str) -> str:
    """Return the instruction of the Dockerfile that a step runs; empty for internal steps of the builder."""
    if name.startswith(_LOOKED_UP):
        return f"FROM {name.removeprefix(_LOOKED_UP)}"
    numbered = _NUMBERED.fullmatch(name)
    return numbered["instruction"] if numbered else name if name.startswith("FROM ") else ""


def _seconds(vertex: pb.Vertex) -> float:
    began, ended = vertex.started, vertex.completed
    return ended.seconds - began.seconds + (ended.nanos - began.nanos) / 1e9


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
