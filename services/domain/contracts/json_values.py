"""Read JSON that apps wrote: what has another type than expected counts as missing."""

from collections.abc import Mapping
from typing import cast

Object = Mapping[str, object]
# Longer chains of references are not followed.
_MAX_REFERENCES = 20


def as_object(value: object) -> Object:
    """Return an object; an empty one if it is something else."""
    return cast("Object", value) if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Object]:
    """Return the objects in a list."""
    return [as_object(one) for one in cast("list[object]", value)] if isinstance(value, list) else []


def as_texts(value: object) -> list[str]:
    """Return the strings of a list, or a single string."""
    if isinstance(value, str):
        return [value]
    return [one for one in cast("list[object]", value) if isinstance(one, str)] if isinstance(value, list) else []


def resolved(document: Object, value: object) -> Object:
    """Follow references within a document ("#/components/schemas/User"); a broken one gives an empty object."""
    found = as_object(value)
    for _ in range(_MAX_REFERENCES):
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        found = _pointed(document, reference)
    return {}


def _pointed(document: Object, reference: str) -> Object:
    if not reference.startswith("#/"):
        return {}
    found: object = document
    for part in reference[2:].split("/"):
        found = as_object(found).get(part.replace("~1", "/").replace("~0", "~"))
    return as_object(found)
