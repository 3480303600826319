"""The errors that rules and services raise, sorted by what the caller can do about them.

InterlockError
├── Refusal                terminal: the request is wrong as it stands
│   ├── Invalid            400  correct the request
│   ├── NotFound           404  correct the id
│   ├── Conflict           409  something else holds it
│   └── PreconditionFailed 412  do something else first
├── DeadlineExceeded       504  it did not happen in time; terminal
└── Unavailable            503  weather: the same request may succeed later

A message says what was tried, on what id, and what to do next. It never repeats its cause: `raise X(...) from err`.
"""

from typing import ClassVar


class InterlockError(Exception):
    """Base of all errors with a meaning to callers."""

    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __repr__(self) -> str:
        # What a caller reads when Restate gives up on a step that kept raising this.
        return self.message


class Refusal(InterlockError):
    """The request cannot succeed as it stands; repeating it does not help."""

    http_status = 400
    code = "refused"


class Invalid(Refusal):
    """A value from outside breaks a rule."""

    http_status = 400
    code = "invalid"


class NotFound(Refusal):
    """Nothing is known under that id in that workspace."""

    http_status = 404
    code = "not_found"


class Conflict(Refusal):
    """Somebody or something else holds what was asked for."""

    http_status = 409
    code = "conflict"


class PreconditionFailed(Refusal):
    """The state does not allow it now; the message says what would."""

    http_status = 412
    code = "precondition_failed"


class DeadlineExceeded(InterlockError):
    """A bounded wait ended without what it waited for."""

    http_status = 504
    code = "deadline_exceeded"


class Unavailable(InterlockError):
    """A part did not answer; the same request may succeed later."""

    http_status = 503
    code = "unavailable"
    retryable = True
