"""What builders say, line by line: cases that no engine can be made to say at will."""

import base64
from pathlib import Path
from typing import Any

import pytest

from services.gen.buildkit.v1 import progress_pb2 as pb
from services.krane.backends.building.builder import BuildLog
from services.krane.backends.docker.building.failures import describe_failure
from services.krane.backends.docker.building.output import BuildKitOutput
from services.krane.backends.docker.shapes import BuildProgress
from services.krane.backends.shared.logs import tail

BEGUN, ENDED = pb.Time(seconds=10, nanos=900_000_000), pb.Time(seconds=12, nanos=400_000_000)


class Heard:
    """BuildKit's words as the engine passes them on, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self._log = BuildLog(folder / "build.log")
        self.output = BuildKitOutput(self._log)

    def say(self, *vertexes: pb.Vertex, logs: tuple[pb.VertexLog, ...] = (), **fields: Any) -> None:
        status = pb.StatusResponse(vertexes=vertexes, logs=logs, **fields)
        self.take(base64.b64encode(status.SerializeToString()).decode())

    def take(self, trace: str) -> None:
        self.output.take(BuildProgress.model_validate({"id": "moby.buildkit.trace", "aux": trace}))

    @property
    def lines(self) -> list[str]:
        return tail(self._log.path, 100, 10_000)


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


def step(name: str, *, ended: bool = False, error: str = "") -> pb.Vertex:
    return pb.Vertex(digest=name, name=name, started=BEGUN, completed=ENDED if ended else None, error=error)


def printed(name: str, text: bytes, stream: int = 1) -> pb.VertexLog:
    return pb.VertexLog(vertex=name, stream=stream, msg=text)


def test_lines_of_steps_that_run_side_by_side_are_put_together(heard: Heard) -> None:
    heard.say(step("[a 1/1] RUN x"), step("[b 1/1] RUN y"), pb.Vertex(digest="later", name="later"))
    heard.say(logs=(printed("[a 1/1] RUN x", b"one\ntw"), printed("[b 1/1] RUN y", b"1\n")))
    heard.say(logs=(printed("[a 1/1] RUN x", b"warn", 2), printed("[a 1/1] RUN x", b"o\n\xff")))
    heard.say(step("[a 1/1] RUN x", ended=True))
    heard.say(step("[a 1/1] RUN x", ended=True))

    assert heard.lines == [
        "#1 [a 1/1] RUN x",
        "#2 [b 1/1] RUN y",
        "#1 one",
        "#2 1",
        "#1 two",
        "#1 \ufffd",
        "#1 warn",
        "#1 DONE 1.5s",
    ]


def test_parts_and_advice_are_said_once(heard: Heard) -> None:
    statuses = [pb.VertexStatus(id="sha256:1", vertex="FROM x:1")]
    heard.say(step("FROM x:1"), statuses=statuses, warnings=[pb.VertexWarning(short=b"MAINTAINER is deprecated")])
    heard.say(statuses=statuses)

    assert heard.lines == ["#1 FROM x:1", "#1 sha256:1", "warning: MAINTAINER is deprecated"]


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        (
            '[2/2] RUN ["make"]',
            'process "make" did not complete successfully: exit code: 2',
            'RUN ["make"] failed with exit code 2: the build log says why',
        ),
        ("[internal] load metadata for x:1", "not found", "image x:1 cannot be pulled: the registry does not have it"),
        (
            "[tools 1/2] FROM x:1@sha256:00",
            "denied: no",
            "image x:1@sha256:00 cannot be pulled: the registry denies it",
        ),
        ("FROM docker.io/library/x:1", "connection refused", "image docker.io/library/x:1 cannot be pulled now"),
        ("[2/2] COPY x /", '"/x" not found: not found', 'COPY x / failed: "/x" not found: not found'),
        ("exporting to image", "failed to export: no space left on device", "the disk of the Docker Engine is full"),
        ("exporting to image", "weather", "the build failed: weather"),
    ],
)
def test_failure_is_that_of_the_step_that_failed_by_itself(heard: Heard, name: str, error: str, sentence: str) -> None:
    heard.say(step("[other 1/1] RUN y", ended=True, error="context canceled"))
    heard.say(step(name, ended=True, error=error))
    heard.output.take(BuildProgress(error=f"failed to solve: {error}"))

    assert heard.output.failure.startswith(sentence)
    assert heard.lines[-2:] == [f"#2 ERROR: {error}", f"failed to solve: {error}"]


@pytest.mark.parametrize("trace", ["?", base64.b64encode(b"\xff\xff").decode()])
def test_what_cannot_be_read_does_not_end_a_build(heard: Heard, trace: str) -> None:
    heard.take(trace)

    assert (heard.lines, heard.output.failure) == ([], "")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("failed to solve: dockerfile parse error on line 2: unknown instruction: FOO", "line 2: unknown instruction"),
        ("failed to solve with frontend dockerfile.v0: failed to create LLB definition: no build stage", "no build"),
    ],
)
def test_a_dockerfile_that_cannot_be_used_is_said_to_be_so_by_any_engine(message: str, sentence: str) -> None:
    assert describe_failure("", message, None).startswith(f"the Dockerfile cannot be used: {sentence}")
