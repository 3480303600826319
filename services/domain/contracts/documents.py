"""Compare whole OpenAPI 3 documents: paths, methods, parameters, bodies and responses."""

import re
from dataclasses import dataclass
from typing import Final

from services.domain.contracts.changes import ApiChange, Changes
from services.domain.contracts.json_values import Object, as_object, as_objects, resolved
from services.domain.contracts.schemas import SchemaComparison

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PATH_PARAMETER: Final = re.compile(r"\{[^}/]*\}")


def compare_documents(before: object, after: object) -> list[ApiChange]:
    """Return the changes from one document to the next, breaking ones first.

    Both are parsed JSON from apps. What is not as OpenAPI 3 has it counts as missing. Descriptions, examples and the
    names of path parameters are not compared.
    """
    comparison = _Comparison(as_object(before), as_object(after))
    comparison.run()
    return sorted(set(comparison.changes.found), key=lambda change: (not change.is_breaking, change.where, change.what))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One method of a path."""

    name: str
    said: Object
    # Those of the path too, by place and name.
    parameters: dict[tuple[str, str], Object]
    is_secured: bool


class _Comparison:
    def __init__(self, before: Object, after: Object) -> None:
        self.changes = Changes()
        self._before, self._after = before, after
        self._schemas = SchemaComparison(before=before, after=after, changes=self.changes)

    def run(self) -> None:
        old, new = _operations(self._before), _operations(self._after)
        for key in old.keys() - new.keys():
            self.changes.breaking(old[key].name, "removed")
        for key in new.keys() - old.keys():
            self.changes.harmless(new[key].name, "added")
        for key in sorted(old.keys() & new.keys()):
            self._operation(old[key], new[key])

    def _operation(self, old: _Operation, new: _Operation) -> None:
        if new.is_secured and not old.is_secured:
            self.changes.breaking(new.name, "needs authentication now")
        self._parameters(old, new)
        self._body(old, new)
        self._responses(old, new)

    def _parameters(self, old: _Operation, new: _Operation) -> None:
        for key in sorted(old.parameters.keys() - new.parameters.keys()):
            self.changes.harmless(f"{new.name}: {' '.join(key)}", "removed")
        for key in sorted(new.parameters.keys() - old.parameters.keys()):
            is_needed = new.parameters[key].get("required") is True
            what = f"added{', required' if is_needed else ''}"
            self.changes.add(f"{new.name}: {' '.join(key)}", what, is_breaking=is_needed)
        for key in sorted(old.parameters.keys() & new.parameters.keys()):
            before, after, where = old.parameters[key], new.parameters[key], f"{new.name}: {' '.join(key)}"
            if after.get("required") is True and before.get("required") is not True:
                self.changes.breaking(where, "is required now")
            self._schemas.compare(where, before.get("schema"), after.get("schema"), is_request=True)

    def _body(self, old: _Operation, new: _Operation) -> None:
        before = resolved(self._before, old.said.get("requestBody"))
        after = resolved(self._after, new.said.get("requestBody"))
        where = f"{new.name}: body"
        if after.get("required") is True and before.get("required") is not True:
            self.changes.breaking(where, "is required now")
        if before and not after:
            self.changes.harmless(where, "removed")
        elif before:
            self._content(where, before, after, is_request=True)

    def _responses(self, old: _Operation, new: _Operation) -> None:
        before, after = as_object(old.said.get("responses")), as_object(new.said.get("responses"))
        for status in sorted(before.keys() - after.keys()):
            self.changes.add(f"{new.name}: response {status}", "removed", is_breaking=status.startswith("2"))
        for status in sorted(after.keys() - before.keys()):
            self.changes.harmless(f"{new.name}: response {status}", "added")
        for status in sorted(before.keys() & after.keys()):
            self._content(
                f"{new.name}: response {status}",
                resolved(self._before, before[status]),
                resolved(self._after, after[status]),
                is_request=False,
            )

    def _content(self, where: str, old: Object, new: Object, *, is_request: bool) -> None:
        before, after = as_object(old.get("content")), as_object(new.get("content"))
        for media_type in sorted(before.keys() - after.keys()):
            self.changes.breaking(where, f"{media_type} removed")
        for media_type in sorted(after.keys() - before.keys()):
            self.changes.harmless(where, f"{media_type} added")
        for media_type in sorted(before.keys() & after.keys()):
            schemas = as_object(before[media_type]).get("schema"), as_object(after[media_type]).get("schema")
            self._schemas.compare(where, *schemas, is_request=is_request)


def _operations(document: Object) -> dict[tuple[str, str], _Operation]:
    """Return the operations by path, with the names of its parameters left out, and method."""
    found: dict[tuple[str, str], _Operation] = {}
    for path, item in as_object(document.get("paths")).items():
        item = resolved(document, item)
        for method in _METHODS:
            if method in item:
                said = as_object(item[method])
                found[_PATH_PARAMETER.sub("{}", path), method] = _Operation(
                    name=f"{method.upper()} {path}",
                    said=said,
                    parameters=_parameters(document, item) | _parameters(document, said),
                    is_secured=_is_secured(document, said),
                )
    return found


def _parameters(document: Object, said: Object) -> dict[tuple[str, str], Object]:
    """Return parameters by place and name, without those of the path, which belong to the path itself."""
    parameters = [resolved(document, one) for one in as_objects(said.get("parameters"))]
    return {(str(one.get("in")), str(one.get("name"))): one for one in parameters if one.get("in") != "path"}


def _is_secured(document: Object, said: Object) -> bool:
    """Return whether every call needs credentials; an empty requirement in the list makes them optional."""
    needed = as_objects(said.get("security", document.get("security")))
    return bool(needed) and all(needed)
