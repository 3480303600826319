"""Whether a document that an app serves is an OpenAPI document worth keeping."""

import hashlib
import json
from dataclasses import dataclass
from typing import cast

OPENAPI_PATH = "/openapi.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An accepted document and its content address."""

    digest: str
    content: bytes


def accept_openapi(content: bytes) -> Document | None:
    """The document when it is a JSON object that says which OpenAPI version it is; None otherwise."""
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
