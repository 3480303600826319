import hashlib
import json

import pytest

from services.domain.openapi import Document, NotKept, accept_openapi


def test_a_document_is_kept_as_it_came_under_the_digest_of_its_bytes() -> None:
    content = b'{ "openapi": "3.1.0", "paths": {} }\n'

    document = accept_openapi(content)

    assert isinstance(document, Document)
    assert document.content == content
    assert document.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"openapi"',
        b"{}",
        b'{"openapi": 3}',
        b'{"openapi": "2.0"}',
        b'{"swagger": "2.0"}',
        b'{"openapi": "30.1"}',
        b'{"openapi": ["3.0.0"]}',
        b'{"openapi": "3.0.0"',
        b"[" * 100_000,
        b'{"openapi": ' * 50_000,
    ],
)
def test_anything_else_is_not_kept(content: bytes) -> None:
    found = accept_openapi(content)

    assert isinstance(found, NotKept)
    assert found.reason in ("it is not JSON", "it is not an OpenAPI 3 document")


def test_unknown_fields_do_not_matter() -> None:
    assert isinstance(accept_openapi(json.dumps({"openapi": "3.0.3", "x-anything": {"a": [1]}}).encode()), Document)
