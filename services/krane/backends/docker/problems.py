"""What the engine's refusals mean to krane's callers."""

from services.domain.errors import Conflict, InterlockError, Invalid, NotFound, PreconditionFailed, Unavailable

_FULL = "no space left on device"
_TAKEN = ("port is already allocated", "address already in use")
# What no other attempt changes: the image asks for what is not in it.
_UNUSABLE = ("unable to find user", "unable to find group", "cannot mkdir")
_STATUSES: dict[int, type[InterlockError]] = {400: Invalid, 404: NotFound, 409: Conflict}
# What registries say, from the particular to the general: the first that is found counts.
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
        "the registry denied it, or does not know it: check the name, and what `interlock credentials ls` lists for it",
    ),
    (
        # The last is what the engine makes of a plain 404.
        ("manifest unknown", "not found", "repository name not known", "http 404"),
        PreconditionFailed,
        "the registry does not have it: check the name, or push it",
    ),
)


class PortTaken(Unavailable):
    """Something else listens on the port of this machine that a container was given; another may be free."""


def engine_problem(what: str, status: int, message: str) -> InterlockError:
    """The error that an answer of the engine stands for; `what` is what was asked of it."""
    text = message.strip().lower()
    if any(phrase in text for phrase in _TAKEN):
        return PortTaken(f"{what}: its port is taken")
    if _FULL in text:
        return PreconditionFailed(
            f"{what}: the disk of the Docker Engine is full: make room with `docker system prune`"
        )
    if any(phrase in text for phrase in _UNUSABLE):
        return PreconditionFailed(f"{what}: its image cannot be run: {message.strip()}")
    # A status of the 500s may be gone at the next attempt.
    return _STATUSES.get(status, Unavailable)(f"{what}: the Docker Engine said: {message.strip()}")


def pull_problem(image: str, message: str) -> InterlockError:
    """The error that a failed pull stands for, by what the engine reports of the registry."""
    text = message.lower()
    for phrases, kind, sentence in _PULLS:
        if any(phrase in text for phrase in phrases):
            return kind(f"image {image} cannot be pulled: {sentence}")
    return Unavailable(f"image {image} cannot be pulled now: {message.strip()}")
