"""`interlock doctor`: whether this machine and the installation on it are fit, and what to do."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.text import Text

from services.cli.exit_codes import ExitCode
from services.cli.render import printable
from services.cli.session import Output, session_of
from services.domain.diagnosis import Finding, Verdict, worst

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILURE: "red"}


def doctor(context: typer.Context) -> None:
    """Check ports, disk, Docker, Restate, Envoy and DNS, and say what to do. Works when nothing runs."""
    # Loaded here: it needs the settings and the parts, which would slow down every other command.
    from services.runtime.doctor import diagnose

    session = session_of(context)
    findings = diagnose(session.data_dir.resolve())
    if session.output is Output.JSON:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        session.out.print(_text(findings), soft_wrap=True)
    if worst(findings) is Verdict.FAILURE:
        raise typer.Exit(ExitCode.NEEDS_ATTENTION)


def _text(findings: Sequence[Finding]) -> Text:
    lines: list[Text] = []
    for finding in findings:
        line = Text.assemble(
            (f"{finding.verdict:<8}", _STYLES[finding.verdict]), f"{finding.name:<14}", printable(finding.found)
        )
        if finding.next:
            line.append(f"\n{'':<22}-> {finding.next}")
        lines.append(line)
    return Text("\n").join(lines)
