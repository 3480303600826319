"""Messages as users see them: short words for enums, whichever form comes in."""

import json
from enum import StrEnum

import pytest
from google.protobuf import json_format

from services.domain.errors import InterlockError
from services.domain.status import DeploymentStatus
from services.gen.ctrl.v1 import control_pb2 as pb
from services.rpc.enums import WireEnum, words_of
from services.rpc.json import from_json, to_json


def test_enums_are_written_as_words_at_any_depth() -> None:
    message = pb.GetProjectStatusResponse(
        environments=[
            pb.EnvironmentStatus(
                latest=pb.Deployment(
                    status=pb.DEPLOYMENT_STATUS_READY,
                    steps=[pb.Step(operation=pb.OPERATION_DEPLOY)],
                    variables={"A": "b"},
                ),
                domains=[pb.Domain(sticky=pb.STICKY_LIVE), pb.Domain()],
            )
        ]
    )

    (environment,) = json.loads(to_json(message))["environments"]

    assert environment["latest"]["status"] == "ready"
    assert environment["latest"]["steps"][0]["operation"] == "deploy"
    assert environment["latest"]["variables"] == {"A": "b"}
    assert [domain["sticky"] for domain in environment["domains"]] == ["live", ""]


@pytest.mark.parametrize("sent", ['"ready"', '"DEPLOYMENT_STATUS_READY"', "5"])
def test_enums_are_read_as_words_names_and_numbers(sent: str) -> None:
    message = from_json(
        f'{{"status": {sent}, "projectId": "p", "steps": [{{"operation": "promote"}}]}}', pb.Deployment()
    )

    assert (message.status, message.project_id) == (pb.DEPLOYMENT_STATUS_READY, "p")
    assert message.steps[0].operation == pb.OPERATION_PROMOTE


def test_what_was_written_is_read_again() -> None:
    message = pb.Deployment(status=pb.DEPLOYMENT_STATUS_FAILED, instances=[pb.Instance()], generation=7)

    assert from_json(to_json(message, indent=None), pb.Deployment()) == message


@pytest.mark.parametrize(
    "sent",
    [
        *('{"status": "Ready"}', '{"status": "shiny"}', '{"steps": "ready"}', '{"statu": 1}'),
        *('{"id": "a", "id": "b"}', "[]", "{", '{"id": ' + "[" * 100_000),
    ],
)
def test_what_is_no_message_is_a_parse_error(sent: str) -> None:
    with pytest.raises(json_format.ParseError):
        from_json(sent, pb.Deployment())


def test_our_enums_go_over_the_wire_by_name() -> None:
    status = WireEnum(DeploymentStatus, pb.DeploymentStatus)

    sent = [pb.Deployment(status=status.encode(member)) for member in DeploymentStatus]
    assert [status.decode(message.status) for message in sent] == list(DeploymentStatus)
    assert words_of(pb.DeploymentStatus.DESCRIPTOR) == list(DeploymentStatus)
    assert status.encode(DeploymentStatus.READY) == "DEPLOYMENT_STATUS_READY"


@pytest.mark.parametrize("value", [pb.DEPLOYMENT_STATUS_UNSPECIFIED, 99])
def test_a_value_that_is_unknown_here_is_said_to_be(value: int) -> None:
    with pytest.raises(InterlockError, match=r"not a known ctrl\.v1\.DeploymentStatus"):
        WireEnum(DeploymentStatus, pb.DeploymentStatus).decode(value)


def test_an_enum_of_ours_that_the_contract_lacks_is_found_at_once() -> None:
    class Wider(StrEnum):
        READY = "ready"
        SHINY = "shiny"

    with pytest.raises(ValueError, match="SHINY"):
        WireEnum(Wider, pb.DeploymentStatus)
