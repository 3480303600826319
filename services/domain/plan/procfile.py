"""A Procfile as Heroku and Dokku read it: each line is `name: command`, and the command is a shell command."""

import re
import shlex
from collections.abc import Sequence

from services.domain.errors import Invalid
from services.domain.plan.model import ProcessLine

PROCFILE = "Procfile"
WEB = "web"
RELEASE = "release"

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_-]*)\s*:\s*(?P<command>\S.*)")
_PORT = re.compile(r"\$PORT(?![A-Za-z0-9_])|\$\{PORT\}")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Characters that need a shell: expansions, lists, pipes, redirections, patterns, substitutions.
_SHELL = re.compile(r"[$`;&|<>()*?\[~\n]")
# Those of them with which a line is more than one simple command.
_COMPOUND = re.compile(r"[;&|()`\n]|\$\(")
_BUILT_IN = frozenset(
    {".", "cd", "eval", "exec", "export", "if", "for", "set", "source", "test", "trap", "while", "{", "!"}
)


def parse_procfile(text: str) -> tuple[ProcessLine, ...]:
    """The processes, in order; of two with the same name, the first. Comments and empty lines are ignored."""
    lines: dict[str, ProcessLine] = {}
    for line in text.replace("\ufeff", "").splitlines():
        match = _LINE.fullmatch(line.strip())
        if match and not line.lstrip().startswith("#"):
            lines.setdefault(match["name"], ProcessLine(name=match["name"], command=match["command"]))
    return tuple(lines.values())


def shell_words(line: ProcessLine) -> tuple[str, ...]:
    """The arguments that run a line: its words, or `sh -c` if it needs a shell. Raises Invalid, naming the line."""
    try:
        words = shlex.split(line.command)
    except ValueError as error:
        raise Invalid(f"the {line.name}: line of the Procfile cannot be read: {error}") from error
    if not needs_shell(line.command, words):
        return tuple(words)
    is_simple = not _COMPOUND.search(line.command) and not _ASSIGNMENT.match(words[0]) and words[0] not in _BUILT_IN
    # With exec the app replaces the shell, so that it receives the signals itself.
    return ("sh", "-c", f"exec {line.command}" if is_simple else line.command)


def needs_shell(command: str, words: Sequence[str]) -> bool:
    """Whether a command needs a shell. "$PORT" does not: it is replaced without one."""
    begins = words[0] if words else ""
    return bool(_SHELL.search(_PORT.sub("", command))) or bool(_ASSIGNMENT.match(begins)) or begins in _BUILT_IN
