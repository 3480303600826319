import json
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import httpx
import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from services.durable.serde import MAX_REQUEST_BYTES, InBinary, MessageSerde, Undecodable, json_schema, result_serde
from services.gen.hydra.v1 import deployment_pb2 as pb
from services.gen.hydra.v1 import routing_pb2
from tests.durable.conftest import Run
from tests.durable.sample import SAGA

REQUEST = pb.RollbackRequest(source_deployment_id="d_2", target_deployment_id="d_1")
SNAKE = b'{"source_deployment_id": "d_2", "target_deployment_id": "d_1"}'
CAMEL = b' \n{"sourceDeploymentId": "d_2", "targetDeploymentId": "d_1"}'
BINARY = REQUEST.SerializeToString()

MALFORMED = [
    b"{",
    b'{"source_deployment_id": "d_2"',
    b'{"source_deployment_id": 7}',
    b'{"source_deployment_id": ["d_2"]}',
    b'{"source_deployment_id": "\\ud800"}',
    b'{"no_such_field": "d_2"}',
    b"[]",
    b'"d_2"',
    b"null",
    b"\xff\xff\xff",
    b"\x0a\x7f",
    b"\x0a\x02\xff\xfe",
    b'{"a":' * 20_000,
]
TOO_LARGE = b'{"source_deployment_id": "' + b"x" * MAX_REQUEST_BYTES + b'"}'


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [SNAKE, CAMEL, BINARY])
def test_json_in_both_spellings_and_binary_are_read(data: bytes) -> None:
    assert MessageSerde(pb.RollbackRequest).deserialize(data) == REQUEST


def test_messages_are_written_as_json_with_the_contracts_names() -> None:
    assert MessageSerde(pb.RollbackRequest).serialize(REQUEST) == SNAKE


@pytest.mark.parametrize("length", range(1, 260))
def test_binary_is_told_from_json_whatever_its_bytes_look_like(length: int) -> None:
    message = pb.RollbackResponse(domains=["x" * length])
    serde = MessageSerde(pb.RollbackResponse)

    assert serde.deserialize(serde.serialize(InBinary(message))) == message
    assert serde.deserialize(b"\n " + serde.serialize(message)) == message


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_malformed_becomes_a_value_and_not_an_error(data: bytes) -> None:
    """The SDK would answer an error here with 500."""
    decoded: object = MessageSerde(pb.RollbackRequest).deserialize(data)

    assert isinstance(decoded, Undecodable)
    assert "hydra.v1.RollbackRequest" in decoded.message


def test_what_is_too_large_is_not_even_decoded() -> None:
    decoded: object = MessageSerde(pb.RollbackRequest).deserialize(TOO_LARGE)

    assert decoded == Undecodable(f"hydra.v1.RollbackRequest is larger than {MAX_REQUEST_BYTES} bytes")


@pytest.mark.parametrize(
    "message", [pb.DeployRequest(), pb.DeployRequest(deployment_id="{"), pb.DeployRequest(key_auth_id="")]
)
def test_every_message_survives_the_journal_and_the_binary_form(message: Message) -> None:
    serde = MessageSerde(type(message))

    assert serde.deserialize(serde.serialize(message)) == message
    assert serde.deserialize(message.SerializeToString()) == message


def test_schemas_describe_the_json_form() -> None:
    schema = json_schema(cast(Descriptor, routing_pb2.AssignDomainsResponse.DESCRIPTOR))

    assert schema["properties"]["changed_domain_names"] == {"type": "array", "items": {"type": "string"}}
    assert schema["properties"]["is_live"] == {"type": "boolean"}
    assert schema["properties"]["revision"] == {"type": ["string", "integer"]}
    assert schema["properties"]["held_domains"]["items"]["title"] == "HeldDomain"


# -- step results ------------------------------------------------------------------------------------------------------


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    colours: tuple[Colour, ...]


class Effects:
    async def one(self) -> Result:
        return Result("a", (Colour.RED,))

    async def maybe(self) -> Result | None:
        return None


async def test_step_results_come_back_from_the_journal_as_they_went_in() -> None:
    effects = Effects()

    one, maybe = result_serde(effects.one), result_serde(effects.maybe)

    assert one.deserialize(one.serialize(await effects.one())) == await effects.one()
    assert maybe.deserialize(maybe.serialize(await effects.one())) == await effects.one()
    assert maybe.deserialize(maybe.serialize(await effects.maybe())) is None


# -- at the ingress ----------------------------------------------------------------------------------------------------


async def post(run: Run, body: bytes, content_type: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=run.ingress_url, timeout=10) as client:
        return await client.post(f"/{SAGA}/{run.key}/Echo", content=body, headers={"content-type": content_type})


@pytest.mark.restate
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (SNAKE, "application/json"),
        (CAMEL, "application/json"),
        (SNAKE, "application/x-www-form-urlencoded"),
        (BINARY, "application/x-www-form-urlencoded"),
    ],
)
async def test_every_common_way_to_send_a_request_is_answered_with_json(
    run: Run, body: bytes, content_type: str
) -> None:
    response = await post(run, body, content_type)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"source_deployment_id": "d_2", "target_deployment_id": "d_1"}


@pytest.mark.restate
@pytest.mark.parametrize(
    "content_type",
    ["application/protobuf", "application/x-protobuf", "application/octet-stream", "Application/Protobuf; v=1"],
)
async def test_who_sends_binary_is_answered_in_binary(run: Run, content_type: str) -> None:
    response = await post(run, BINARY, content_type)

    assert response.status_code == 200
    answer = pb.RollbackResponse.FromString(response.content)
    assert answer == pb.RollbackResponse(source_deployment_id="d_2", target_deployment_id="d_1")


@pytest.mark.restate
@pytest.mark.parametrize("body", [MALFORMED[0], b'{"no_such_field": 1}', b"[]", b"\xff\xff\xff", TOO_LARGE])
async def test_a_bad_request_is_answered_400_and_not_tried_again(run: Run, body: bytes) -> None:
    response = await post(run, body, "application/json")

    assert response.status_code == 400
    assert "hydra.v1.RollbackRequest" in json.dumps(response.json())
