import io

from rich.console import Console

from services.cli.render import followed_line, moved_text, printable
from services.gen.ctrl.v1 import control_pb2 as pb


def test_what_others_wrote_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\r\x9bc\n\td") == "a\ufffd[2Jb\ufffd\ufffdc\n\td"


def test_followed_lines_are_safe_and_tell_where_others_are_missing() -> None:
    line = pb.FollowLogsResponse(instance_id="d_1-0", text="a\x1b[2Jb", is_after_gap=True)

    gap, text = followed_line(line).splitlines()

    assert "lines were lost" in gap
    assert text == "d_1-0 | a\ufffd[2Jb"


def test_a_move_says_from_where_to_where_how_and_what_it_cancelled() -> None:
    response = pb.RollbackResponse(
        source_deployment_id="d_2",
        target_deployment_id="d_1",
        domains=["a.example"],
        preempted_deployment_ids=["d_3"],
        start=pb.START_COLD,
    )

    assert _printed(response) == [
        "live moved from d_2 to d_1, cold (started again from its image)",
        "cancelled: d_3",
        "a.example",
    ]


def test_a_dry_run_says_that_nothing_moved() -> None:
    response = pb.PromoteResponse(
        source_deployment_id="d_1", target_deployment_id="d_2", start=pb.START_WARM, dry_run=True
    )

    assert _printed(response) == ["live would move from d_1 to d_2, warm (it runs and is healthy)"]


def _printed(response: pb.RollbackResponse | pb.PromoteResponse) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=200).print(moved_text(response))
    return out.getvalue().splitlines()
