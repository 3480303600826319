"""`interlock config`, `interlock env` and `interlock secrets`."""

import io
import re

import pytest

from services.gen.ctrl.v1 import control_pb2 as pb
from tests.cli.conftest import Interlock
from tests.ctrl.installation import IMAGE

SECRET = "not-for-everybody-4711"


def test_settings_are_set_listed_and_removed(interlock: Interlock, project: str) -> None:
    command = "release_command=python manage.py migrate 'a b'"
    settings = ("replicas=2", "health_path=/up", command, "command=./serve $PORT")
    changed = interlock("config", "set", *settings, "-p", project, "-o", "json")
    interlock("config", "rm", "replicas", "-p", project)
    listed = interlock("config", "ls", "-p", project)

    assert changed.message(pb.SetSettingsResponse()).settings == pb.RunSettings(
        replicas=2,
        health_path="/up",
        release_command=["python", "manage.py", "migrate", "a b"],
        command=["./serve", "$PORT"],
    )
    assert "/up" in listed.out
    assert "python manage.py migrate 'a b'" in listed.out
    assert "replicas" not in listed.out


def test_a_deployment_is_given_settings_of_its_own(interlock: Interlock, project: str) -> None:
    options = (
        "--port",
        "9000",
        "--stop-seconds",
        "20",
        "--release-command",
        "./migrate 'a b'",
        "--command",
        "./serve 9",
    )
    deployment = interlock("deploy", IMAGE, "-p", project, *options, "-o", "json").message(pb.Deployment())

    shown = interlock("show", deployment.id).out

    assert (deployment.port, deployment.stop_seconds, deployment.release_command) == (9000, 20, ["./migrate", "a b"])
    assert deployment.command == ["./serve", "9"]
    assert re.search(r"^cpu millicores +250 *$", shown, re.MULTILINE), shown
    assert re.search(r"^stop seconds +20 *$", shown, re.MULTILINE), shown
    assert "./migrate 'a b'" in shown
    assert "./serve 9" in shown


def test_no_release_command_is_said_for_a_project_and_for_a_deployment(interlock: Interlock, project: str) -> None:
    deploy = ("deploy", IMAGE, "-p", project, "-o", "json")
    interlock("config", "set", "release_command=./migrate", "-p", project)
    without = interlock(*deploy, "--no-release-command").message(pb.Deployment())
    interlock("config", "set", "release_command=", "-p", project)
    listed = interlock("config", "ls", "-p", project)
    own = interlock(*deploy, "--release-command", "./mine").message(pb.Deployment())
    both = interlock(*deploy, "--release-command", "./mine", "--no-release-command")

    assert (without.release_command, own.release_command) == ([], ["./mine"])
    assert "none, even if the source sets one" in listed.out
    assert (both.code, "contradict each other" in both.err) == (2, True)


def test_a_setting_that_says_nothing_is_refused_with_how_to_leave_it_to_the_source(
    interlock: Interlock, project: str
) -> None:
    refused = interlock("config", "set", "command=", "-p", project)

    assert (refused.code, "command= has no value" in refused.err) == (2, True)


@pytest.mark.parametrize(
    "assignment",
    ["speed=high", "replicas=many", "replicas=51", "replicas", "port=0x", "release_command='", "command='"],
)
def test_what_is_no_setting_is_a_usage_error(interlock: Interlock, project: str, assignment: str) -> None:
    assert interlock("config", "set", assignment, "-p", project).code == 2


def test_variables_are_set_listed_and_removed(interlock: Interlock, project: str) -> None:
    changed = interlock("env", "set", "MODE=a=b", "EMPTY=", "-p", project)
    listed = interlock("env", "ls", "-p", project, "-o", "json").message(pb.ListVariablesResponse())
    interlock("env", "rm", "EMPTY", "-p", project)

    assert "applies to the next deployment of production" in changed.out
    assert {v.name: v.value for v in listed.variables} == {"MODE": "a=b", "EMPTY": ""}
    assert "MODE" in (left := interlock("env", "ls", "-p", project).out)
    assert "EMPTY" not in left


def test_a_secret_is_read_from_standard_input_and_never_shown(
    interlock: Interlock, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))

    done = interlock("secrets", "set", "TOKEN", "-p", project, "-e", "preview")
    listed = interlock("secrets", "ls", "-p", project, "-e", "preview")
    shown = interlock("deploy", IMAGE, "-p", project, "-e", "preview", "--env", "MODE=one", "-o", "json")

    assert done.code == 0
    assert "TOKEN" in listed.out
    assert [s.name for s in shown.message(pb.Deployment()).secrets] == ["TOKEN"]
    assert dict(shown.message(pb.Deployment()).variables) == {"MODE": "one"}
    assert SECRET not in done.out + done.err + listed.out + shown.out
    assert interlock("secrets", "rm", "TOKEN", "-p", project, "-e", "preview").code == 0
    assert "TOKEN" not in interlock("secrets", "ls", "-p", project, "-e", "preview").out


@pytest.mark.parametrize("assignments", [["MODE"], ["A=1", "A=2"]])
def test_what_is_no_assignment_is_a_usage_error(interlock: Interlock, project: str, assignments: list[str]) -> None:
    result = interlock("env", "set", *assignments, "-p", project)

    assert result.code == 2
    assert "NAME=VALUE" in result.err


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "is not UTF-8 text"), (b"", "is empty"), (b"\n", "is empty")]
)
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_secret_that_is_no_text_or_empty_is_refused_in_one_sentence(
    interlock: Interlock, project: str, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str, errors: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors=errors))

    refused = interlock("secrets", "set", "TOKEN", "-p", project)

    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert f"TOKEN: standard input {reason}" in refused.err
    assert "TOKEN" not in interlock("secrets", "ls", "-p", project).out
