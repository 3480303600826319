"""Compare schemas. What breaks depends on the direction: a caller sends requests and reads responses.

Requests may accept more than before; responses must keep what they had. Schemas that
contain themselves are compared once.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from services.domain.contracts.changes import Changes
from services.domain.contracts.json_values import Object, as_object, as_objects, as_texts, resolved

# Documents come from apps: a deeper schema is not compared.
MAX_DEPTH: Final = 30
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")


@dataclass(slots=True, kw_only=True)
class SchemaComparison:
    """Compares the schemas of two documents."""

    before: Object
    after: Object
    changes: Changes
    # Pairs of schemas, by their identity: both documents live as long as the comparison.
    _compared: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def compare(self, where: str, before: object, after: object, *, is_request: bool) -> None:
        """Add the changes from one schema to another."""
        self._compared.clear()
        self._compare(where, before, after, is_request=is_request, depth=0)

    def _compare(self, where: str, before: object, after: object, *, is_request: bool, depth: int) -> None:
        # What is not empty is part of a document, so that its identity is not used again.
        said, says = resolved(self.before, before), resolved(self.after, after)
        if depth > MAX_DEPTH or (id(said), id(says)) in self._compared:
            return
        if said and says:
            self._compared.add((id(said), id(says)))
        old, new = _flat(self.before, before), _flat(self.after, after)
        self._types(where, old, new, is_request=is_request)
        self._values(where, old, new, is_request=is_request)
        if is_request:
            self._limits(where, old, new)
        self._properties(where, old, new, is_request=is_request, depth=depth)
        if "items" in old and "items" in new:
            self._compare(f"{where}[]", old["items"], new["items"], is_request=is_request, depth=depth + 1)
        self._variants(where, old, new, is_request=is_request)

    def _types(self, where: str, old: Object, new: Object, *, is_request: bool) -> None:
        before, after = _types(old), _types(new)
        if before is None or after is None or before == after:
            return
        what = f"type {_listed(before)} became {_listed(after)}"
        is_safe = _covers(after, before) if is_request else _covers(before, after)
        self.changes.add(where, what, is_breaking=not is_safe)

    def _values(self, where: str, old: Object, new: Object, *, is_request: bool) -> None:
        before, after = _enum(old), _enum(new)
        if after is not None and before is None and is_request:
            self.changes.breaking(where, f"only these values are allowed now: {', '.join(after)}")
        if before is None or after is None:
            return
        for value in sorted(set(before) - set(after)):
            self.changes.add(where, f"value {value} removed", is_breaking=is_request)
        for value in sorted(set(after) - set(before)):
            self.changes.harmless(where, f"value {value} added")

    def _limits(self, where: str, old: Object, new: Object) -> None:
        for names, is_tighter in ((_UPPER, _is_less), (_LOWER, _is_more)):
            for name in names:
                self._limit(where, name, old.get(name), new.get(name), is_tighter)
        if new.get("pattern") != old.get("pattern") and "pattern" in new:
            self.changes.breaking(where, f"has to match {new['pattern']!r} now")

    def _limit(
        self, where: str, name: str, old: object, new: object, is_tighter: Callable[[float, float], bool]
    ) -> None:
        if not isinstance(new, int | float) or old == new:
            return
        if not isinstance(old, int | float):
            self.changes.breaking(where, f"{name} {new} added")
        else:
            self.changes.add(where, f"{name} {old} became {new}", is_breaking=is_tighter(new, old))

    def _properties(self, where: str, old: Object, new: Object, *, is_request: bool, depth: int) -> None:
        before, after = as_object(old.get("properties")), as_object(new.get("properties"))
        needed_before, needed_after = set(as_texts(old.get("required"))), set(as_texts(new.get("required")))
        for name in sorted(before.keys() - after.keys()):
            self.changes.add(f"{where}.{name}", "removed", is_breaking=not is_request)
        for name in sorted(after.keys() - before.keys()):
            is_needed = is_request and name in needed_after
            self.changes.add(f"{where}.{name}", f"added{', required' if is_needed else ''}", is_breaking=is_needed)
        for name in sorted(before.keys() & after.keys()):
            inner = f"{where}.{name}"
            if name in needed_after - needed_before:
                self.changes.add(inner, "is required now", is_breaking=is_request)
            if name in needed_before - needed_after:
                self.changes.add(inner, "is optional now", is_breaking=not is_request)
            self._compare(inner, before[name], after[name], is_request=is_request, depth=depth + 1)

    def _variants(self, where: str, old: Object, new: Object, *, is_request: bool) -> None:
        for keyword in ("anyOf", "oneOf"):
            before = {_variant_name(one) for one in as_objects(old.get(keyword))}
            after = {_variant_name(one) for one in as_objects(new.get(keyword))}
            if not before and not after:
                continue
            for name in sorted(before - after):
                self.changes.add(where, f"variant {name} removed", is_breaking=is_request)
            for name in sorted(after - before):
                self.changes.add(where, f"variant {name} added", is_breaking=not is_request)


def _flat(document: Object, schema: object) -> Object:
    """Return a schema with its reference followed, allOf merged, and "this or null" written as a type."""
    found = resolved(document, schema)
    parts = as_objects(found.get("allOf"))
    if parts:
        found = _merged([{k: v for k, v in found.items() if k != "allOf"}, *(resolved(document, one) for one in parts)])
    for keyword in ("anyOf", "oneOf"):
        variants = as_objects(found.get(keyword))
        others = [one for one in variants if one.get("type") != "null"]
        if len(others) == 1:
            rest = {k: v for k, v in found.items() if k != keyword}
            inner = resolved(document, others[0])
            found = _merged([rest, inner])
            if len(others) < len(variants):
                found = {**found, "nullable": True}
    return found


def _merged(schemas: Sequence[Object]) -> Object:
    merged: dict[str, object] = {}
    properties: dict[str, object] = {}
    required: list[str] = []
    for schema in schemas:
        merged |= schema
        properties |= as_object(schema.get("properties"))
        required += as_texts(schema.get("required"))
    return merged | ({"properties": properties} if properties else {}) | ({"required": required} if required else {})


def _types(schema: Object) -> frozenset[str] | None:
    """Return the allowed types; empty: any; None: said by other keywords, such as an enum."""
    types = set(as_texts(schema.get("type")))
    if not types and schema:
        return None
    if types and schema.get("nullable") is True:
        types.add("null")
    return frozenset(types)


def _covers(wide: frozenset[str], narrow: frozenset[str]) -> bool:
    """Return whether every value of the types in `narrow` is one of those in `wide`; empty means any."""
    if not wide:
        return True
    return bool(narrow) and narrow <= (wide | ({"integer"} if "number" in wide else set[str]()))


def _enum(schema: Object) -> list[str] | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if not isinstance(values, list):
        return None
    return [json.dumps(value, sort_keys=True) for value in cast("list[object]", values)]


def _variant_name(variant: Object) -> str:
    reference = variant.get("$ref")
    if isinstance(reference, str):
        return reference.rpartition("/")[2]
    shown = variant.get("title") or variant.get("type")
    return shown if isinstance(shown, str) else json.dumps(variant, sort_keys=True)[:80]


def _listed(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "any"


def _is_less(new: float, old: float) -> bool:
    return new < old


def _is_more(new: float, old: float) -> bool:
    return new > old
