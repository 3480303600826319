"""What README.md and docs/ tell people to type exists: commands, options, variables, exit codes, links."""

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from services.cli.__main__ import GLOBAL_OPTIONS, app
from services.cli.arguments import hoist
from services.cli.exit_codes import ExitCode
from services.config import ROOT, Settings
from services.gateway.ingress import REPLIES

GUIDE = ROOT / "docs" / "guide"
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *GUIDE.glob("*.md")])
# For newcomers: the rest is in the guide.
LONGEST_README = 130
# Variables that are no settings of `services.config`: of the command line, of docker-compose.yml and of instances.
OTHER_VARIABLES = {
    "INTERLOCK_READY_FILE",
    "INTERLOCK_ADDRESS",
    "INTERLOCK_PROJECT",
    "INTERLOCK_IMAGE",
    "INTERLOCK_DEPLOYMENT_ID",
    "INTERLOCK_INSTANCE_ID",
    "INTERLOCK_VOLUME_DATA",
}
UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_kib": "KiB", "_mib": "MiB"}
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(interlock [^`]+)`")
# Made once: it takes as long as all that is parsed with it.
INTERLOCK = get_command(app)
SEPARATORS = {"|", "<", ">", "&&", ";"}


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `interlock` in the code blocks of a page, and within its sentences."""
    text = page.read_text()
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if "interlock" in line or "services.cli" in line:
                yield from _interlock_commands(line)
    for line in INLINE.findall(BLOCK.sub("", text)):
        yield from _interlock_commands(line.replace("\n", " "))


def _interlock_commands(line: str) -> Iterator[list[str]]:
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    command: list[str] = []
    for word in [*words, ";"]:
        if word in SEPARATORS:
            name = "services.cli" if "services.cli" in command else "interlock"
            if name in command and (name != "interlock" or command[0] == name):
                yield command[command.index(name) + 1 :]
            command = []
        else:
            command.append(word)


def parse(arguments: list[str]) -> None:
    """Parse as the command line does, without running anything; raises TyperException."""
    command, rest = INTERLOCK, hoist(arguments, GLOBAL_OPTIONS)
    while rest[0] in GLOBAL_OPTIONS:
        rest = rest[2:]
    while isinstance(command, TyperGroup):
        if rest in ([], ["--help"]):
            return
        if rest[0] not in command.commands:
            raise typer.BadParameter(f"there is no command {rest[0]!r}")
        command, rest = command.commands[rest[0]], rest[1:]
    if rest != ["--help"]:
        command.make_context("interlock", rest)


def variables(model: type[BaseModel], prefix: str = "INTERLOCK_") -> Iterator[tuple[str, str, str]]:
    """Each variable with its default and unit, as the page has them."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from variables(kind, f"{prefix}{name.upper()}__")
        else:
            unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")
            yield f"{prefix}{name.upper()}", _default(field.default), unit


def _default(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case "":
            return "empty"
        case bool():
            return f"`{value}`".lower()
        case Enum():
            return f"`{value.value}`"
        case float():
            return f"`{value:g}`"
        case Path() if value.is_relative_to(ROOT):
            return f"`{value.relative_to(ROOT)}`"
        case _:
            return f"`{value}`"


def test_the_readme_is_short_enough_for_a_newcomer() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name.partition("-")[0] for page in sorted(DECISIONS.glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS.glob("*.md")], ids=lambda page: page.name)
def test_no_page_has_the_marks_of_a_merge(page: Path) -> None:
    assert not re.search(r"^(<{7}|={7}|>{7})( |$)", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    dead = [link for link in links if not _exists(page, link)]

    assert dead == []


def _exists(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_is_one_that_the_command_line_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    # A page may leave out the project, which the command line then finds.
    monkeypatch.setenv("INTERLOCK_PROJECT", "shop")
    found = [(page.name, arguments) for page in PAGES for arguments in commands(page)]
    wrong: list[str] = []
    for name, arguments in found:
        try:
            parse(arguments)
        except typer.TyperException as error:
            # A sentence may leave the project to the reader.
            if type(error).__name__ != "MissingParameter":
                wrong.append(f"{name}: interlock {shlex.join(arguments)}: {error}")

    assert len(found) > 70
    assert wrong == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for page in PAGES for target in re.findall(r"(?:^|`|; )make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }

    assert len(named) > 5
    assert named <= targets


def test_every_variable_that_is_named_exists() -> None:
    known = {name for name, _, _ in variables(Settings)} | OTHER_VARIABLES
    named = {name for page in PAGES for name in re.findall(r"\bINTERLOCK_[A-Z_]*[A-Z]\b", page.read_text())}

    assert named <= known


def test_the_configuration_page_has_every_variable_with_its_default_and_unit() -> None:
    rows = re.findall(r"^\| `(INTERLOCK_\w+)` \| (.*?) \| (.*?) ?\| .+ \|$", _page("configuration"), re.MULTILINE)

    assert sorted(rows) == sorted(variables(Settings))


def test_the_troubleshooting_page_has_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", _page("troubleshooting"), re.MULTILINE)

    assert rows == [str(code.value) for code in ExitCode]


def test_the_troubleshooting_page_quotes_the_answers_of_the_gateway() -> None:
    page = _page("troubleshooting")

    # An idle connection is closed: nobody reads what is said of it.
    assert [text for flags, text in REPLIES if flags != ("SI",) and f"| {text} |" not in page] == []


def _page(name: str) -> str:
    return (GUIDE / f"{name}.md").read_text()
