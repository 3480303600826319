"""Accept or ignore the OpenAPI document that an app serves."""

import hashlib
import json
from dataclasses import dataclass
from typing import cast

OPENAPI_PATH = "/openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An accepted document and the digest of its content."""

    digest: str
    content: bytes


def accept_openapi(content: bytes) -> Document | None:
    """Return the document if it is a JSON object with an OpenAPI version 3.x, else None."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    version = cast("dict[str, object]", value).get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        return None
    return Document(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", content=content)
