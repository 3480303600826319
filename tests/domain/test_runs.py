from datetime import timedelta

from services.domain.ids import check_id
from services.domain.runs import make_run_id, may_still_run

NOW = 1_700_000_000_000


def test_a_command_may_run_until_its_time_and_a_margin_are_over() -> None:
    task_id = make_run_id(NOW, timedelta(seconds=10), "0f")

    assert check_id("task_id", task_id) == task_id
    assert may_still_run(task_id, NOW)
    assert may_still_run(task_id, NOW + 10_000 + 60_000)
    assert not may_still_run(task_id, NOW + 10_000 + 60_001)


def test_other_tasks_are_not_one_off_commands() -> None:
    assert not any(may_still_run(task_id, NOW) for task_id in ("d_0c8f", "run_0f", "run_x_0f", "run_1_"))
