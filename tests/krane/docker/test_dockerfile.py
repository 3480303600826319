"""The Dockerfile that the engine gets, and the sentences that its refusals become."""

import pytest

from services.krane.backends.docker.building.dockerfile import HEADER, prepare_dockerfile
from services.krane.backends.docker.building.failures import describe_failure, read_step

LABEL = "LABEL by=me"
ENDING = """LABEL key='1' of='{"x": "$"}'"""


def lines(text: str, label: str = "by=me") -> list[str]:
    return prepare_dockerfile(text, label, {}).text.splitlines()


def test_every_stage_begins_with_the_label() -> None:
    text = "ARG TAG\nFROM a:$TAG AS one\nRUN x\nfrom b \\\n  AS two\nCOPY --from=one /x /x"

    assert lines(text) == [
        HEADER,
        "ARG TAG",
        "FROM a:$TAG AS one",
        LABEL,
        "RUN x",
        "from b \\",
        "  AS two",
        LABEL,
        "COPY --from=one /x /x",
    ]


def test_a_line_within_another_instruction_is_no_stage() -> None:
    text = "FROM a\nRUN x \\\n# comment\nFROM y"

    assert lines(text).count(LABEL) == 1


def test_without_a_label_nothing_is_added_to_stages() -> None:
    assert lines("FROM a", label="") == [HEADER, "FROM a"]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("FROM a", ["FROM a", ENDING]),
        ("FROM a\nRUN x \\ \n\n# y", ["FROM a", "RUN x ", "", "# y", ENDING]),
        ("RUN x", ["RUN x"]),
        ("", []),
    ],
)
def test_the_image_is_labelled_in_one_instruction_at_the_end(text: str, ending: list[str]) -> None:
    assert prepare_dockerfile(text, "", {"key": "1", "of": '{"x": "$"}'}).text.splitlines() == [HEADER, *ending]


@pytest.mark.parametrize("directive", ["# syntax=docker/dockerfile:1", "#SYNTAX = evil.example/frontend"])
def test_no_frontend_is_fetched(directive: str) -> None:
    assert lines(f"{directive}\nFROM a") == [HEADER, "FROM a", LABEL]


def test_another_escape_is_kept_and_followed() -> None:
    assert lines("# syntax=x\n# escape=`\nFROM a `\n AS b\nRUN c\\\nFROM d") == [
        "# escape=`",
        HEADER,
        "FROM a `",
        " AS b",
        LABEL,
        "RUN c\\",
        "FROM d",
        LABEL,
    ]


def test_problems_name_the_lines_of_the_author() -> None:
    dockerfile = prepare_dockerfile("# syntax=x\nFROM a\nFOO", "by=me", {})

    assert dockerfile.with_own_lines("line 4: unknown instruction: FOO") == "line 3: unknown instruction: FOO"


def test_step_of_the_classic_builder_is_its_instruction() -> None:
    assert read_step("Step 2/13 : RUN make all") == "RUN make all"
    assert read_step("make: all") == ""


@pytest.mark.parametrize(
    ("step", "message", "code", "sentence"),
    [
        ("RUN x", "The command '/bin/sh -c x' returned a non-zero code: 7", 7, "RUN x failed with exit code 7: the"),
        ("", "executor failed running [/bin/sh -c x]: exit code: 7", None, "RUN /bin/sh -c x failed with exit code 7"),
        (
            "",
            'failed to solve: process "/bin/sh -c x" did not complete successfully: exit code: 9',
            None,
            "RUN /bin/sh -c x failed with exit code 9",
        ),
        (
            "",
            "dockerfile parse error line 2: unknown instruction: FOO",
            None,
            "the Dockerfile cannot be used: line 2: unknown instruction: FOO",
        ),
        (
            "",
            "failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
            "dockerfile parse error line 2: unknown instruction: FOO",
            None,
            "the Dockerfile cannot be used: line 2: unknown instruction: FOO",
        ),
        (
            "FROM --platform=linux/amd64 nosuch AS one",
            "pull access denied for nosuch, repository does not exist",
            None,
            "image nosuch cannot be pulled: the registry denies it, or does not have it",
        ),
        ("RUN x", "write /x: no space left on device", None, "the disk of the Docker Engine is full"),
        ("COPY a b", "COPY failed: file not\nfound", None, "COPY a b failed: COPY failed: file not found"),
    ],
)
def test_failure_becomes_a_sentence(step: str, message: str, code: int | None, sentence: str) -> None:
    assert describe_failure(step, message, code).startswith(sentence)
