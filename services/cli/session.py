"""The session of one command: address of ctrl, workspace, and output format."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import typer
from google.protobuf.message import Message
from pydantic import ValidationError
from rich.console import Console, RenderableType

from services.ctrl.client import ControlClient
from services.domain.errors import Unavailable
from services.rpc.json import to_json
from services.runtime.ready import ReadyFile

Result = TypeVar("Result")
# Columns when stdout is not a terminal: no line of a table or a log is wrapped for a program that reads it.
PIPED_WIDTH = 1_000_000


def _user_name() -> str:
    """Return the user's name, or their user id if the operating system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


class Output(StrEnum):
    """Format of results."""

    TEXT = "text"
    JSON = "json"


def session_of(context: typer.Context) -> "Session":
    """Return the session stored by `global_options`."""
    session = context.obj
    assert isinstance(session, Session)
    return session


def _console(*, stderr: bool) -> Console:
    # Printed text comes from users and apps: interpret no markup or emoji codes in it.
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The global options, and the consoles to print to."""

    workspace: str
    output: Output
    data_dir: Path
    ready_file: Path | None
    address: str | None
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def run(self, call: Callable[[ControlClient], Awaitable[Result]]) -> Result:
        """Open a client and return the result of `call`; raises what the client raises."""
        address = self._find_ctrl()

        async def with_client() -> Result:
            async with ControlClient(address, self.workspace, _user_name()) as client:
                return await call(client)

        return asyncio.run(with_client())

    @property
    def host(self) -> str:
        """The host of the control plane, on which its gateway listens too."""
        return self._find_ctrl().rpartition(":")[0]

    def show(self, message: Message, text: RenderableType) -> None:
        """Print a result: the message as JSON (all fields, with their names in the contract), or the text."""
        if self.output is Output.TEXT:
            self.out.print(text)
            return
        typer.echo(to_json(message))

    def show_line(self, message: Message, text: str) -> None:
        """Print one of many results on one line, unwrapped: the message as JSON, or the text."""
        if self.output is Output.JSON:
            text = to_json(message, indent=None)
        typer.echo(text)

    def _find_ctrl(self) -> str:
        if self.address:
            return self.address
        path = self.ready_file or self.data_dir / "ready.json"
        try:
            return ReadyFile.model_validate_json(path.read_bytes()).ctrl_grpc
        except FileNotFoundError as error:
            raise Unavailable(
                f"no control plane runs here ({path} does not exist); start it with `interlock up`"
            ) from error
        except ValidationError as error:
            raise Unavailable(f"{path} holds no address of a control plane; start it with `interlock up`") from error
