"""New ids: a prefix for the kind of thing, and 80 random bits in lower-case hex."""

import secrets


def new_id(prefix: str) -> str:
    """Return a new id such as "d_0c8f…"."""
    return f"{prefix}_{secrets.token_hex(10)}"
