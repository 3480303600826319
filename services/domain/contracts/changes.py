"""What a comparison finds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ApiChange:
    """One change of an API."""

    # Such as "GET /users/{id}: response 200, .name".
    where: str
    what: str
    # A caller that was written for the document before may fail.
    is_breaking: bool


@dataclass(slots=True)
class Changes:
    """The changes found so far."""

    found: list[ApiChange] = field(default_factory=list[ApiChange])

    def breaking(self, where: str, what: str) -> None:
        """Add a change that breaks callers."""
        self.found.append(ApiChange(where=where, what=what, is_breaking=True))

    def harmless(self, where: str, what: str) -> None:
        """Add a change that breaks nobody."""
        self.found.append(ApiChange(where=where, what=what, is_breaking=False))

    def add(self, where: str, what: str, *, is_breaking: bool) -> None:
        """Add a change."""
        self.found.append(ApiChange(where=where, what=what, is_breaking=is_breaking))
