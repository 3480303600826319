"""Which changes of an API break its callers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.contracts import ApiChange, compare_documents

Json = dict[str, Any]


def api(operation: Json | None = None, *, path: str = "/users", method: str = "post", **top: Any) -> Json:
    return {"openapi": "3.1.0", "paths": {path: {method: operation if operation is not None else {}}}, **top}


def request(schema: Json, **body: Any) -> Json:
    return api({"requestBody": {"content": {"application/json": {"schema": schema}}, **body}})


def response(schema: Json, status: str = "200") -> Json:
    return api({"responses": {status: {"content": {"application/json": {"schema": schema}}}}})


def thing(*required: str, **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def told(before: object, after: object) -> list[tuple[bool, str]]:
    return [(change.is_breaking, f"{change.where} {change.what}") for change in compare_documents(before, after)]


TEXT, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
OR_NULL = {"anyOf": [TEXT, {"type": "null"}]}
QUERY = {"in": "query", "name": "q"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (api(), {"openapi": "3.1.0"}, (True, "POST /users removed")),
        (api(method="get"), api(method="put"), (True, "GET /users removed")),
        (api(), api(security=[{"token": []}]), (True, "POST /users needs authentication now")),
        (api({}), api({"parameters": [QUERY]}), (False, "POST /users: query q added")),
        (
            api({}),
            api({"parameters": [QUERY | {"required": True}]}),
            (True, "POST /users: query q added, required"),
        ),
        (
            api({"parameters": [QUERY]}),
            api({"parameters": [QUERY | {"required": True}]}),
            (True, "POST /users: query q is required now"),
        ),
        (api({"parameters": [QUERY]}), api({}), (False, "POST /users: query q removed")),
        (request(TEXT), request(TEXT, required=True), (True, "POST /users: body is required now")),
        (request(thing()), request(thing("a", a=TEXT)), (True, "POST /users: body.a added, required")),
        (request(thing()), request(thing(a=TEXT)), (False, "POST /users: body.a added")),
        (request(thing(a=TEXT)), request(thing("a", a=TEXT)), (True, "POST /users: body.a is required now")),
        (request(thing(a=TEXT)), request(thing()), (False, "POST /users: body.a removed")),
        (request(NUMBER), request(INTEGER), (True, "POST /users: body type number became integer")),
        (request(INTEGER), request(NUMBER), (False, "POST /users: body type integer became number")),
        (request({}), request(TEXT), (True, "POST /users: body type any became string")),
        (response(TEXT), response({}), (True, "POST /users: response 200 type string became any")),
        (request(OR_NULL), request(TEXT), (True, "POST /users: body type null or string became string")),
        (request(TEXT), request(TEXT | {"maxLength": 5}), (True, "POST /users: body maxLength 5 added")),
        (
            request(TEXT | {"maxLength": 5}),
            request(TEXT | {"maxLength": 9}),
            (False, "POST /users: body maxLength 5 became 9"),
        ),
        (
            request(TEXT | {"enum": ["a", "b"]}),
            request(TEXT | {"enum": ["a"]}),
            (True, 'POST /users: body value "b" removed'),
        ),
        (response(TEXT, "200"), response(TEXT, "201"), (True, "POST /users: response 200 removed")),
        (response(thing(a=TEXT)), response(thing()), (True, "POST /users: response 200.a removed")),
        (response(thing()), response(thing("a", a=TEXT)), (False, "POST /users: response 200.a added")),
        (
            response(thing("a", a=TEXT)),
            response(thing(a=TEXT)),
            (True, "POST /users: response 200.a is optional now"),
        ),
        (
            response(thing(a=TEXT)),
            response(thing(a=OR_NULL)),
            (True, "POST /users: response 200.a type string became null or string"),
        ),
        (
            response({"type": "array", "items": NUMBER}),
            response({"type": "array", "items": TEXT}),
            (True, "POST /users: response 200[] type number became string"),
        ),
    ],
)
def test_a_change_is_told_and_marked(before: Json, after: Json, expected: tuple[bool, str]) -> None:
    assert expected in told(before, after)


def test_the_breaking_changes_come_first() -> None:
    before = api() | {"paths": {"/a": {"get": {}}, "/b": {"get": {}}}}
    after = api() | {"paths": {"/b": {"get": {}}, "/0": {"get": {}}}}

    assert told(before, after) == [(True, "GET /a removed"), (False, "GET /0 added")]


def test_names_of_path_parameters_and_descriptions_are_no_change() -> None:
    before = api({"parameters": [{"in": "path", "name": "id", "required": True}]}, path="/users/{id}")
    after = api(
        {"summary": "new", "parameters": [{"in": "path", "name": "user", "required": True}]}, path="/users/{user}"
    )

    assert told(before, after) == []


def test_schemas_that_are_named_and_contain_themselves_are_compared() -> None:
    def document(**properties: Any) -> Json:
        node = thing(next={"$ref": "#/components/schemas/Node"}, **properties)
        return response({"$ref": "#/components/schemas/Node"}) | {"components": {"schemas": {"Node": node}}}

    assert told(document(a=TEXT), document()) == [(True, "POST /users: response 200.a removed")]
    assert told(document(a=TEXT), document(a=TEXT)) == []


def test_schemas_that_contain_themselves_many_times_are_compared_in_no_time() -> None:
    parts = {name: {"allOf": [{"$ref": "#/components/schemas/A"}]} for name in "abcdefgh"}
    document = response({"$ref": "#/components/schemas/A"}) | {"components": {"schemas": {"A": thing(**parts)}}}
    fewer = {name: part for name, part in parts.items() if name != "a"}
    after = response({"$ref": "#/components/schemas/A"}) | {"components": {"schemas": {"A": thing(**fewer)}}}

    assert (True, "POST /users: response 200.a removed") in told(document, after)


def test_a_schema_that_refers_to_itself_only_is_no_endless_loop() -> None:
    loop = response({"$ref": "#/components/schemas/A"}) | {
        "components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}
    }

    assert told(loop, loop) == []


KEYS = [
    *("paths", "/a", "get", "parameters", "in", "name", "schema", "type", "$ref", "anyOf", "allOf", "enum"),
    *("responses", "200", "content", "application/json", "properties", "required", "items", "security"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "#/paths", "200", "query"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(before=json_values, after=json_values)
def test_any_json_is_compared(before: object, after: object) -> None:
    changes = compare_documents(before, after)

    assert all(isinstance(change, ApiChange) for change in changes)


@given(document=json_values)
def test_a_document_differs_from_itself_in_nothing(document: object) -> None:
    assert compare_documents(document, document) == []
