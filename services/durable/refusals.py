"""Turn refusals of the domain into terminal errors. Retryable errors are left to Restate's retries."""

from collections.abc import Generator
from contextlib import contextmanager

from restate import TerminalError

from services.domain.errors import InterlockError


def terminal(error: InterlockError) -> TerminalError:
    """Return an error that Restate does not retry, with the message and status of `error`."""
    return TerminalError(error.message, status_code=error.http_status)


@contextmanager
def refusals_are_terminal() -> Generator[None]:
    """Turn a refusal raised in the block into a TerminalError; other exceptions pass unchanged."""
    try:
        yield
    except InterlockError as error:
        if error.retryable:
            raise
        raise terminal(error) from error
