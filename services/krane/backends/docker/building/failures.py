"""Turns the engine's message on a failed build into one sentence on what to correct."""

import re

from services.krane.backends.docker.problems import pull_problem

FULL = "no space left on device"
MAX_MESSAGE = 600
# Exit code after SIGKILL, which the kernel sends if memory runs out.
KILLED = 137
MORE_MEMORY = "use less memory, or raise INTERLOCK_KRANE__BUILD_MEMORY_MIB"
_STEP = re.compile(r"Step [0-9]+/[0-9]+ : (?P<instruction>.*)", re.DOTALL)
_EXIT = re.compile(
    # BuildKit's message, of engine 20.10 and of current engines.
    r"(?:executor failed running \[(?P<old>.*)\]:|process \"(?P<new>.*)\" did not complete successfully:)"
    r" exit code: (?P<code>[0-9]+)",
    re.DOTALL,
)
_FRONTEND = re.compile(
    r"^(?:failed to solve(?: with frontend [^:]+)?: )?(?:failed to create LLB definition: )?"
    r"(?:dockerfile parse error(?: on)? )?"
)
# Messages about a Dockerfile before its first instruction runs.
_SYNTAX = ("parse error", "no instructions", "no build stage", "unknown instruction", "failed to parse")


def read_step(line: str) -> str:
    """Return the instruction that a line of the classic builder announces; empty if it announces none."""
    match = _STEP.match(line)
    return match["instruction"].strip() if match else ""


def describe_failure(step: str, message: str, exit_code: int | None, memory_mib: int | None = None) -> str:
    """Return one sentence on a failed build.

    `step` is the failed instruction; empty if unknown. `memory_mib` is the builder's memory limit; None = no limit.
    """
    message = " ".join(message.split())[:MAX_MESSAGE]
    if FULL in message.lower():
        return "the disk of the Docker Engine is full: make room with `docker system prune`"
    if match := _EXIT.search(message):
        exit_code, step = int(match["code"]), step or f"RUN {match['old'] or match['new']}"
    if exit_code == KILLED and memory_mib is not None:
        return f"{step} was killed, probably because it used more than {memory_mib} MiB: {MORE_MEMORY}"
    if exit_code is not None:
        return f"{step} failed with exit code {exit_code}: the build log says why"
    if any(phrase in message for phrase in _SYNTAX):
        return f"the Dockerfile cannot be used: {_FRONTEND.sub('', message)}"
    if base := _base_image(step):
        return pull_problem(base, message).message
    return f"{step or 'the build'} failed: {_FRONTEND.sub('', message)}"


def _base_image(step: str) -> str:
    words = [word for word in step.split() if not word.startswith("--")]
    return words[1] if len(words) > 1 and words[0].upper() == "FROM" else ""
