"""Accept the OpenAPI document that an app serves, or say why it is not kept."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """Why there is no document, as a clause; empty: the app serves none."""

    reason: str


def accept_openapi(content: bytes) -> Document | NotKept:
    """Return the document if it is a JSON object with an OpenAPI version 3.x."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return NotKept(reason="it is not JSON")
    version = cast("dict[str, object]", value).get("openapi") if isinstance(value, dict) else None
    if not isinstance(version, str) or not version.startswith("3."):
        return NotKept(reason="it is not an OpenAPI 3 document")
    return Document(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", content=content)
