"""Maps the engine's refusals to errors for krane's callers."""

from services.domain.errors import Conflict, InterlockError, Invalid, NotFound, PreconditionFailed, Unavailable

_FULL = "no space left on device"
_TAKEN = ("port is already allocated", "address already in use")
# Fails at every attempt: the image lacks what its configuration asks for.
_UNUSABLE = ("unable to find user", "unable to find group", "cannot mkdir")
_STATUSES: dict[int, type[InterlockError]] = {400: Invalid, 404: NotFound, 409: Conflict}
# Messages of registries, special ones first: the first match wins.
_PULLS: tuple[tuple[tuple[str, ...], type[InterlockError], str], ...] = (
    ((_FULL,), PreconditionFailed, "the disk of the Docker Engine is full: make room with `docker system prune`"),
    (
        ("no matching manifest", "does not match the specified platform"),
        PreconditionFailed,
        "it was not made for the architecture of this machine: build it for this one",
    ),
    (
        ("access denied", "unauthorized", "authentication required", "no basic auth credentials", "denied:"),
        PreconditionFailed,
        "the registry denies it, or does not have it: check the name, and its credential in `interlock credentials ls`",
    ),
    (
        # "http 404" is the engine's message for a plain 404.
        ("manifest unknown", "not found", "repository name not known", "http 404"),
        PreconditionFailed,
        "the registry does not have it: check the name, or push it",
    ),
)


class PortTaken(Unavailable):
    """The port of this machine that a container was given is taken. Another one may be free."""


def engine_problem(what: str, status: int, message: str) -> InterlockError:
    """Return the error for an answer of the engine; `what` describes the call."""
    text = message.strip().lower()
    if any(phrase in text for phrase in _TAKEN):
        return PortTaken(f"{what}: its port is taken")
    if _FULL in text:
        return PreconditionFailed(
            f"{what}: the disk of the Docker Engine is full: make room with `docker system prune`"
        )
    if any(phrase in text for phrase in _UNUSABLE):
        return PreconditionFailed(f"{what}: its image cannot be run: {message.strip()}")
    # A 5xx status may not come again at the next attempt.
    return _STATUSES.get(status, Unavailable)(f"{what}: the Docker Engine said: {message.strip()}")


def pull_problem(image: str, message: str) -> InterlockError:
    """Return the error for a failed pull, by what the engine reports of the registry."""
    text = message.lower()
    for phrases, kind, sentence in _PULLS:
        if any(phrase in text for phrase in phrases):
            return kind(f"image {image} cannot be pulled: {sentence}")
    return Unavailable(f"image {image} cannot be pulled now: {message.strip()}")
