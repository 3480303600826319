import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from services.cli.__main__ import main
from services.cli.arguments import Origin, hoist, parse_duration, parse_origin

OPTIONS = frozenset({"-o", "--output"})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("show ID -o json", "-o json show ID"),
        ("show --output=json ID", "--output=json show ID"),
        ("-o json show ID", "-o json show ID"),
        ("show ID -- -o json", "show ID -- -o json"),
        ("show -o", "-o show"),
        ("show ID --reason=x", "show ID --reason=x"),
    ],
)
def test_global_options_may_stand_anywhere(arguments: str, expected: str) -> None:
    assert hoist(arguments.split(), OPTIONS) == expected.split()


@pytest.mark.parametrize(
    ("what", "git", "expected"),
    [
        ("https://git.example.com/app", "", Origin(git_url="https://git.example.com/app")),
        ("file:///srv/git/app", "", Origin(git_url="file:///srv/git/app")),
        ("git@git.example.com:team/app", "", Origin(git_url="git@git.example.com:team/app")),
        ("", "anything", Origin(git_url="anything")),
        ("registry.example.com:5000/team/app:1", "", Origin(image="registry.example.com:5000/team/app:1")),
        (f"app@sha256:{'0' * 64}", "", Origin(image=f"app@sha256:{'0' * 64}")),
        (f"artifact@sha256:{'0' * 64}", "", Origin(image=f"artifact@sha256:{'0' * 64}")),
        ("/", "", Origin(folder=Path("/"))),
        (__file__, "", Origin(archive=Path(__file__))),
        ("-", "", Origin(archive=Path("-"))),
    ],
)
def test_what_is_deployed_is_told_by_how_it_is_named(what: str, git: str, expected: Origin) -> None:
    assert parse_origin(what, git, "") == expected


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("0", 0)])
def test_durations_are_seconds_or_have_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-1", "1d", "1.5m", "m", "9999999", "１５m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90s, 15m or 2h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("deploy", "--no-release-command "),
        ("redeploy", "--idempotency-key "),
        ("run", "PROJECT -- COMMAND "),
        ("doctor", "--help "),
        ("openapi show", "--project "),
        ("openapi diff", "--exit-code "),
        ("rollback", "--no-preempt "),
    ],
)
def test_help_names_every_option_whole_on_a_narrow_terminal(
    command: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["interlock", *command.split(), "--help"])

    with contextlib.suppress(SystemExit):
        main()

    shown = capsys.readouterr().out
    assert option in shown
    assert "…" not in shown
