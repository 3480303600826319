"""Log files as the shim writes them and krane reads them, over rotation."""

import asyncio
import itertools
from pathlib import Path

import pytest

from services.krane.backends.shared.log_file import LogFile, follow_file
from services.krane.backends.shared.log_lines import MAX_LINE_BYTES, Place
from services.krane.backends.shared.logs import tail
from services.krane.backends.supervision.shim import Log
from services.krane.types import FollowedLine, LogQuery

FILE_BYTES = 1000
FILES = 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def shim_log(path: Path) -> Log:
    return Log(str(path), FILE_BYTES, FILES)


def texts(lines: list[FollowedLine]) -> list[str]:
    return [line.text for line in lines]


async def read(path: Path, **query: object) -> list[FollowedLine]:
    place = Place("app", LogQuery(namespace="acme", deployment_id="app", **query))  # type: ignore[arg-type]
    found = [lines async for lines in follow_file(path, place, lambda: True)]
    return [*itertools.chain.from_iterable(found)]


async def test_lines_that_come_in_pieces_are_lines_with_a_time_of_their_own(path: Path) -> None:
    log = shim_log(path)

    for piece in (b"one\ntw", b"o", b"\n\nthree", b"\nfo", b"ur"):
        log.write(piece)
    log.end_line()

    lines = await read(path)
    assert texts(lines) == ["one", "two", "", "three", "four"]
    assert len({line.cursor for line in lines}) == 5
    assert tail(path, 3, 1000) == ["", "three", "four"]


async def test_a_run_begins_a_line_when_the_one_before_was_cut_off(path: Path) -> None:
    shim_log(path).write(b"cut of")

    shim_log(path).write(b"next\n")

    assert texts(await read(path)) == ["cut of", "next"]


async def test_a_line_that_nobody_completes_comes_at_the_end(path: Path) -> None:
    shim_log(path).write(b"whole\nhalf")

    assert texts(await read(path)) == ["whole", "half"]


@pytest.fixture
def mixed(path: Path) -> Path:
    path.write_text("old\nolder\n1763877452123456789 new\nagain old\n")
    return path


@pytest.fixture
def long(path: Path) -> Path:
    path.write_bytes(b"x" * 10 * MAX_LINE_BYTES + b"\nnext\n")
    return path


async def test_lines_without_a_stamp_have_cursors_and_no_time(mixed: Path) -> None:
    lines = await read(mixed)

    assert [(line.text, line.at_ms) for line in lines] == [
        ("old", 0),
        ("older", 0),
        ("new", 1763877452123),
        ("again old", 0),
    ]
    for number, line in enumerate(lines):
        assert texts(await read(mixed, after={"app": line.cursor})) == texts(lines)[number + 1 :]


async def test_long_lines_are_cut(long: Path) -> None:
    cut, short = await read(long)

    assert cut.text == "x" * MAX_LINE_BYTES + "…"
    assert short.text == "next"


def test_every_line_is_read_once_while_files_are_rotated(path: Path) -> None:
    log = shim_log(path)
    gaps: list[None] = []
    with LogFile(path, lambda: gaps.append(None)) as reader:
        found: list[str] = []

        for number in range(500):
            log.write(f"line {number}\n".encode())
            if number % 40 == 0:
                found += [line.text for line in reader.read_all()]
        found += [line.text for line in reader.read_all()]

    assert found == [f"line {number}" for number in range(500)]
    assert gaps == []


async def test_a_cursor_holds_over_rotation_and_tells_when_its_line_is_gone(path: Path) -> None:
    log = shim_log(path)
    log.write(b"first\n")
    (first,) = await read(path)

    log.write(b"second\n" * 40)
    rotated = await read(path, after={"app": first.cursor})
    for _ in range(FILES):
        log.write(b"third\n" * 40)
    lost = await read(path, after={"app": first.cursor})

    assert texts(rotated) == ["second"] * 40
    assert not any(line.is_after_gap for line in rotated)
    assert [line.is_after_gap for line in lost] == [True] + [False] * (len(lost) - 1)


async def test_a_reader_that_was_overtaken_is_told(path: Path) -> None:
    log = shim_log(path)
    log.write(b"first\n")
    is_over = asyncio.Event()
    place = Place("app", LogQuery(namespace="acme", deployment_id="app"))
    lines = follow_file(path, place, is_over.is_set)
    before = await anext(lines)

    for number in range(200):
        log.write(f"line {number}\n".encode())
    is_over.set()
    after = [line async for found in lines for line in found]

    assert texts(before) == ["first"]
    # What is in the file that it holds open is not lost.
    assert after[0].text == "line 0"
    assert sum(line.is_after_gap for line in after) == 1
    assert after[-1].text == "line 199"
