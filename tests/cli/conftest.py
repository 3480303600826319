import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.message import Message

from services.cli.__main__ import main
from services.rpc.json import from_json
from tests.ctrl.installation import Installation

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    def message(self, message: Message) -> Any:
        """Standard output as a message of the contract; anything else there fails."""
        return from_json(self.out, message)


Interlock = Callable[..., Result]


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One ctrl and one krane for all tests here."""
    running = Installation(tmp_path_factory.mktemp("cli"))
    try:
        running.start()
        running.start_krane()
        yield running
        running.stop_krane()
    finally:
        running.stop()


@pytest.fixture
def interlock(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Interlock:
    """Run the command line as the shell would."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["interlock", *arguments])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def control_plane(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A control plane that the command line finds."""
    monkeypatch.setenv("INTERLOCK_READY_FILE", str(installation.ready_file))
    monkeypatch.setenv("NO_COLOR", "1")
    return installation


@pytest.fixture
def project(interlock: Interlock, control_plane: Installation) -> str:
    """The slug of a new project."""
    slug = f"app{next(_numbers)}"
    assert interlock("project", "create", slug).code == 0
    return slug
