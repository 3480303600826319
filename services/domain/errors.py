"""The errors that rules and services raise, grouped by what the caller can do about them.

InterlockError
├── Refusal                terminal: the request cannot succeed as it is
│   ├── Invalid            400  correct the request
│   ├── NotFound           404  correct the id
│   ├── Conflict           409  something else holds it
│   └── PreconditionFailed 412  do something else first
├── DeadlineExceeded       504  terminal: it did not happen in time
└── Unavailable            503  temporary: the same request may succeed later

A message says what was tried, on what id, and what to do next. It never repeats its cause: `raise X(...) from err`.
"""

from typing import ClassVar


class InterlockError(Exception):
    """Base of all errors that callers can handle."""

    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __repr__(self) -> str:
        # Restate shows this to the caller when it gives up on a step that kept raising the error.
        return self.message


class Refusal(InterlockError):
    """The request cannot succeed as it is; repeating it does not help."""

    http_status = 400
    code = "refused"


class Invalid(Refusal):
    """A value from outside breaks a rule."""

    http_status = 400
    code = "invalid"


class NotFound(Refusal):
    """The workspace has nothing with that id."""

    http_status = 404
    code = "not_found"


class Conflict(Refusal):
    """Something else already holds the requested thing."""

    http_status = 409
    code = "conflict"


class PreconditionFailed(Refusal):
    """The current state does not allow the request; the message says what to do first."""

    http_status = 412
    code = "precondition_failed"


class DeadlineExceeded(InterlockError):
    """A wait reached its time limit."""

    http_status = 504
    code = "deadline_exceeded"


class Unavailable(InterlockError):
    """A part did not answer; the same request may succeed later."""

    http_status = 503
    code = "unavailable"
    retryable = True
