"""`interlock credentials`."""

import io

import pytest

from services.gen.ctrl.v1 import control_pb2 as pb
from tests.cli.conftest import Interlock

# Says where ctrl is.
pytestmark = pytest.mark.usefixtures("control_plane")

PASSWORD = "not-for-everybody-4712"


def test_a_password_is_read_from_standard_input_and_never_shown(
    interlock: Interlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))

    done = interlock("credentials", "set", "https://ghcr.io/", "--username", "robot")
    listed = interlock("credentials", "ls")
    removed = interlock("credentials", "rm", "ghcr.io")

    assert (done.code, removed.code) == (0, 0)
    assert "ghcr.io" in listed.out
    assert "robot" in listed.out
    assert PASSWORD not in done.out + done.err + listed.out
    assert not interlock("credentials", "ls", "-o", "json").message(pb.ListRegistryCredentialsResponse()).credentials


@pytest.mark.parametrize("arguments", [["ghcr.io"], ["ghcr.io", "-u", "r", "a-password"], ["ghcr.io/team", "-u", "r"]])
def test_what_is_no_credential_is_a_usage_error(
    interlock: Interlock, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))

    result = interlock("credentials", "set", *arguments)

    assert result.code == 2
    assert PASSWORD not in result.err


def test_they_go_by_their_old_name_as_well(interlock: Interlock) -> None:
    listed = interlock("registry", "ls", "-o", "json")

    assert listed.code == 0
    assert listed.out == interlock("credentials", "ls", "-o", "json").out


def test_a_credential_that_is_not_there_is_not_found(interlock: Interlock) -> None:
    result = interlock("credentials", "rm", "quay.io")

    assert "no credential for quay.io; see `interlock credentials ls`" in result.err
