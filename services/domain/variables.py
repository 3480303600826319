"""Check environment variables from outside. Messages name the refused variable, but never hold a value."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from services.domain.errors import Invalid

MAX_VARIABLES: Final = 200
# Bytes of UTF-8. The kernel's limits are 128 KiB for one variable and a few MiB for all.
MAX_VALUE_BYTES: Final = 32 * 1024
MAX_TOTAL_BYTES: Final = 256 * 1024

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
# krane sets these, to tell an instance where to listen and what it is.
_RESERVED = frozenset({"PORT", "HOST"})
_RESERVED_PREFIX = "INTERLOCK_"


def check_names(names: Iterable[str]) -> None:
    """Raise Invalid unless each is a POSIX variable name that krane does not set itself."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"{name[:80]!r} is not the name of a variable: use 1 to 128 letters, digits and '_', "
                "not starting with a digit"
            )
        if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
            raise Invalid(f"variable {name} is set by interlock itself; use another name")


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise Invalid unless all names and values are usable and within the limits."""
    check_names(variables)
    if len(variables) > MAX_VARIABLES:
        raise Invalid(f"{len(variables)} variables are too many: use at most {MAX_VARIABLES}")
    for name, value in variables.items():
        if "\0" in value:
            raise Invalid(f"the value of variable {name} holds a NUL character: remove it")
        if _size(value) > MAX_VALUE_BYTES:
            raise Invalid(f"the value of variable {name} has {_size(value)} bytes: use at most {MAX_VALUE_BYTES}")
    total = sum(_size(name) + _size(value) for name, value in variables.items())
    if total > MAX_TOTAL_BYTES:
        raise Invalid(f"the variables have {total} bytes together: use at most {MAX_TOTAL_BYTES}")


def _size(text: str) -> int:
    return len(text.encode())
