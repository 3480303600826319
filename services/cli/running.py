"""`interlock run`: run a one-off command in the image of the live deployment, with its environment."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

import typer

from services.cli.arguments import parse_duration
from services.cli.exit_codes import ExitCode
from services.cli.render import printable
from services.cli.session import session_of
from services.cli.targets import SameProjectOption, find_target
from services.ctrl.client import ControlClient
from services.domain.errors import Invalid
from services.gen.ctrl.v1 import control_pb2 as pb

# As in a shell: 128 and the number of the signal.
SIGNALLED = 128


def run(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROJECT -- COMMAND",
            help="Project (its live deployment) or id of a deployment, and the command.",
            show_default=False,
        ),
    ] = None,
    project: SameProjectOption = "",
    timeout: Annotated[str, typer.Option(help="How long it may run, such as 90s or 2h; at most 24h.")] = "10m",
) -> None:
    """Run a command once in the live image, with its environment. Ctrl-C ends it; its exit code is passed on.

    Options come before the project. Output and errors of the command are both written to standard output.
    """
    session = session_of(context)
    target, command = _split(arguments or [])
    if not command:
        raise Invalid("name the command behind --, such as: interlock run -p PROJECT -- python manage.py shell")
    seconds = int(parse_duration(timeout).total_seconds())

    async def call(client: ControlClient) -> pb.RunEnd:
        deployment_id = await find_target(client, target, project)
        request = pb.RunCommandRequest(deployment_id=deployment_id, command=command, timeout_seconds=seconds)
        async with aclosing(client.run_command(request)) as answers:
            async for answer in answers:
                if answer.HasField("end"):
                    return answer.end
                session.show_line(answer, printable(answer.text))
        raise Invalid("the command ended without a result")

    try:
        end = session.run(call)
    except KeyboardInterrupt:
        session.err.print("stopped")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if end.reason and (not end.HasField("exit_code") or end.exit_code < 0):
        session.err.print(printable(end.reason))
    raise typer.Exit(exit_code_of(end))


def exit_code_of(end: pb.RunEnd) -> int:
    """Return the command's own exit code; 128 and the signal that ended it; 1 if nobody saw its end."""
    if not end.HasField("exit_code"):
        return ExitCode.ERROR
    return end.exit_code if end.exit_code >= 0 else SIGNALLED - end.exit_code


def _split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split into project and command. Click has removed a "--" before which no argument stood."""
    if arguments[1:2] == ["--"]:
        return arguments[0], list(arguments[2:])
    return "", list(arguments)
