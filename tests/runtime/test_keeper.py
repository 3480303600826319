"""The pauses between the runs of a part, and its log."""

from pathlib import Path

from services.runtime.keeper import Backoff
from services.runtime.logs import ROTATE_BYTES, PartLog


def test_pauses_double_up_to_five_seconds() -> None:
    backoff = Backoff()

    assert [backoff.next_pause(0.0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_part_may_have_a_shorter_longest_pause() -> None:
    backoff = Backoff(longest_seconds=0.2)

    assert [backoff.next_pause(0.0) for _ in range(3)] == [0.1, 0.2, 0.2]


def test_pauses_are_short_again_after_a_good_run() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.next_pause(healthy_seconds=9.9)

    assert backoff.next_pause(healthy_seconds=10.0) == 0.1
    assert backoff.next_pause(healthy_seconds=0.0) == 0.2


def test_the_tail_of_a_log_is_what_the_newest_run_wrote(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "logs" / "worker.log")
    for text in (b"first run\n", b"second run\nends\n"):
        with log.open() as file:
            file.write(text)

    assert log.tail(20) == ["second run", "ends"]
    assert log.tail(1) == ["ends"]
    assert log.path.read_text().startswith("first run")


def test_a_log_that_has_grown_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"x" * (ROTATE_BYTES + 1))

    PartLog(path).open().close()

    assert path.stat().st_size == 0
    assert (tmp_path / "worker.log.1").stat().st_size == ROTATE_BYTES + 1
