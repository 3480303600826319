"""The OpenAPI document of the HTTP API, generated from the descriptors of ctrl.v1."""

from functools import cache
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from services.ctrl.control import CONTROL_SERVICE, streaming_methods, unary_methods
from services.durable.serde import json_schema
from services.rpc.enums import words_of

_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}


@cache
def openapi_document() -> dict[str, Any]:
    """Return an OpenAPI 3.1 document with one POST per method that takes one message."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "interlock", "version": version("interlock")},
        "paths": {
            f"/{CONTROL_SERVICE.full_name}/{method.name}": {"post": _operation(method)}
            for method in [*unary_methods(CONTROL_SERVICE), *streaming_methods(CONTROL_SERVICE)]
        },
    }


def _operation(method: MethodDescriptor) -> dict[str, Any]:
    media_type = "application/x-ndjson" if method.server_streaming else "application/json"
    return {
        "operationId": method.name,
        "requestBody": {"required": True, "content": _json(json_schema(method.input_type, words_of))},
        "responses": {
            "200": {
                "description": "Done.",
                "content": {media_type: {"schema": json_schema(method.output_type, words_of)}},
            },
            "default": {"description": "Refused or failed.", "content": _json(_ERROR)},
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
