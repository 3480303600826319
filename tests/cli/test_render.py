from services.cli.render import printable


def test_what_others_wrote_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\r\x9bc\n\td") == "a\ufffd[2Jb\ufffd\ufffdc\n\td"
