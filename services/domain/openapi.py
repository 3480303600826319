"""Accept the OpenAPI document that an app serves, or say why it is not kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from services.domain.contracts import ApiChange
from services.domain.errors import PreconditionFailed

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


def check_breaking(changes: Sequence[ApiChange], live_id: str) -> None:
    """Raise PreconditionFailed if callers of the live deployment break."""
    breaking = [change for change in changes if change.is_breaking]
    if breaking:
        more = f", and {len(breaking) - 1} more" if len(breaking) > 1 else ""
        raise PreconditionFailed(
            f"callers of {live_id} break: {breaking[0].where}: {breaking[0].what}{more}; keep what they use, or deploy "
            "with --openapi-breaking allow"
        )


def check_still_kept(found: Document | NotKept, live_id: str) -> Document:
    """Return the document; raise PreconditionFailed if there is none to compare with that of the live deployment."""
    if isinstance(found, Document):
        return found
    raise PreconditionFailed(
        f"the API cannot be compared with that of {live_id}: {found.reason or 'the app serves no document any more'}; "
        f"serve it at {OPENAPI_PATH}, or deploy with --openapi-breaking allow"
    )


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
