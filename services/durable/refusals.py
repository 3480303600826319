"""How an error of the domain ends an invocation: a refusal is final, weather is left for Restate to try again."""

from collections.abc import Generator
from contextlib import contextmanager

from restate import TerminalError

from services.domain.errors import InterlockError


def terminal(error: InterlockError) -> TerminalError:
    """The error that Restate does not retry, with the message and status of `error`."""
    return TerminalError(error.message, status_code=error.http_status)


@contextmanager
def refusals_are_terminal() -> Generator[None]:
    """Turn a refusal that leaves the block into a TerminalError; everything else passes untouched."""
    try:
        yield
    except InterlockError as error:
        if error.retryable:
            raise
        raise terminal(error) from error
