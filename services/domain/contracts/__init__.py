"""Compare the OpenAPI documents of two versions of an app: what changed, and what breaks callers."""

from services.domain.contracts.changes import ApiChange
from services.domain.contracts.documents import compare_documents

__all__ = ["ApiChange", "compare_documents"]
