"""New ids: a prefix that says of what, and 80 random bits in lower-case hex."""

import secrets


def new_id(prefix: str) -> str:
    """An id such as "d_0c8f…", unused by all odds."""
    return f"{prefix}_{secrets.token_hex(10)}"
