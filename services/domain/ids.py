"""Check ids and slugs from outside."""

import re
from typing import Final

from services.domain.errors import Invalid

# Ids become folder names, row keys and Restate object keys, so only these characters are allowed.
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def check_id(kind: str, value: str) -> str:
    """Return `value` if it is a well-formed id; raises Invalid otherwise."""
    if not value:
        raise Invalid(f"{kind} is missing")
    if not ID.fullmatch(value):
        raise Invalid(f"{kind} {value[:80]!r} is not an id: use 1 to 63 letters, digits, '_' and '-'")
    return value


def check_slug(kind: str, value: str) -> str:
    """Return `value` if it is a slug (1 to 40 of a-z, 0-9, single '-' inside); raises Invalid otherwise."""
    if not _SLUG.fullmatch(value) or "--" in value:
        raise Invalid(
            f"{kind} {value[:80]!r} is not a slug: use 1 to 40 of a-z, 0-9 and '-', "
            "starting and ending with a letter or digit, without '--'"
        )
    return value
