import pytest

from services.domain.errors import (
    Conflict,
    DeadlineExceeded,
    InterlockError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Refusal,
    Unavailable,
)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid, 400, "invalid"),
        (NotFound, 404, "not_found"),
        (Conflict, 409, "conflict"),
        (PreconditionFailed, 412, "precondition_failed"),
        (Unavailable, 503, "unavailable"),
        (DeadlineExceeded, 504, "deadline_exceeded"),
    ],
)
def test_each_error_says_what_the_caller_can_do_by_its_status(
    error: type[InterlockError], status: int, code: str
) -> None:
    assert (error.http_status, error.code) == (status, code)


def test_only_weather_is_worth_repeating() -> None:
    assert Unavailable.retryable
    assert not any(error.retryable for error in (Refusal, Invalid, NotFound, Conflict, PreconditionFailed))
    assert not DeadlineExceeded.retryable


def test_an_error_reads_as_its_message_wherever_it_is_printed() -> None:
    error = NotFound("there is no project p_1")

    assert str(error) == repr(error) == error.message == "there is no project p_1"
