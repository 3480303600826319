"""What an instance is told that listens where no request arrives."""

import pytest

from services.domain.listening import Expected, Listener, elsewhere

PROCESS = Expected(port=8080, host="127.0.0.1", is_port_settable=False)
CONTAINER = Expected(port=8080, host="0.0.0.0", is_port_settable=True)


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (PROCESS, [], ""),
        (PROCESS, [("127.0.0.1", 8080), ("127.0.0.1", 9000)], ""),
        (CONTAINER, [("0.0.0.0", 8080)], ""),
        (
            PROCESS,
            [("127.0.0.1", 3000)],
            "it listens on 127.0.0.1:3000, not on PORT 8080: let it take its port from the variable PORT",
        ),
        (PROCESS, [("::1", 8080)], "it listens on [::1]:8080, not on 127.0.0.1:8080: let it listen on 127.0.0.1"),
        (
            CONTAINER,
            [("127.0.0.1", 8080)],
            "it listens on 127.0.0.1:8080, not on 0.0.0.0:8080: let it listen on 0.0.0.0",
        ),
        (
            CONTAINER,
            [("127.0.0.1", 5000)],
            "it listens on 127.0.0.1:5000, not on PORT 8080: let it take its port from the variable PORT, "
            "and listen on 0.0.0.0",
        ),
        (
            CONTAINER,
            [("::", 5000), ("127.0.0.1", 9229)],
            "it listens on 127.0.0.1:9229, [::]:5000, not on PORT 8080: let it take its port from the variable PORT, "
            "or set the setting port to 5000",
        ),
        (
            PROCESS,
            [("127.0.0.1", port) for port in (1, 2, 3, 4, 5, 5)],
            "it listens on 127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3 and 2 more, not on PORT 8080: "
            "let it take its port from the variable PORT",
        ),
    ],
)
def test_an_instance_that_listens_elsewhere_is_told_where_and_what_to_change(
    expected: Expected, found: list[tuple[str, int]], said: str
) -> None:
    assert elsewhere([Listener(*one) for one in found], expected) == said
