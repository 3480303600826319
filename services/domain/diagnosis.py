"""Judge what was found out about a machine and an installation: one finding for each thing, with what to do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

GIB = 1024**3
# Room for a build, its dependencies and a few images.
LOW_DISK_BYTES = 5 * GIB
# SQLite, Restate and the logs stop working soon.
FULL_DISK_BYTES = GIB // 2


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"  # works, but not for everybody or not for long
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str
    # What to do; empty if nothing is to be done.
    next: str = ""


def judge_disk(folder: str, free_bytes: int) -> Finding:
    """Judge the free space of the data directory."""
    found = f"{free_bytes / GIB:.1f} GiB free at {folder}"
    if free_bytes >= LOW_DISK_BYTES:
        return Finding(name="disk", verdict=Verdict.OK, found=found)
    verdict = Verdict.FAILURE if free_bytes < FULL_DISK_BYTES else Verdict.WARNING
    return Finding(
        name="disk", verdict=verdict, found=found, next="remove what is not needed, or move it with --data-dir"
    )


def judge_ports(taken: Mapping[str, int], *, is_running: bool) -> Finding:
    """Judge the ports in use, by the name of what would listen there."""
    if is_running:
        return Finding(name="ports", verdict=Verdict.OK, found="in use by this installation")
    if not taken:
        return Finding(name="ports", verdict=Verdict.OK, found="all free")
    listed = ", ".join(f"{port} ({name.replace('_', ' ')})" for name, port in sorted(taken.items()))
    return Finding(
        name="ports",
        verdict=Verdict.FAILURE,
        found=f"in use by another program: {listed}",
        next="stop that program, or start with `interlock up --ports auto`",
    )


def judge_dns(apex: str, addresses: Sequence[str] | None) -> Finding:
    """Judge what a hostname below the apex resolves to; None: nothing within the time."""
    if addresses:
        listed = ", ".join(sorted(set(addresses)))
        return Finding(name="dns", verdict=Verdict.OK, found=f"*.{apex} resolves to {listed}")
    if f".{apex}".endswith(".localhost"):
        return Finding(
            name="dns",
            verdict=Verdict.WARNING,
            found=f"*.{apex} does not resolve on this machine, except in browsers and curl",
            next="in other programs, send requests to the gateway's address with the hostname in the Host header",
        )
    return Finding(
        name="dns",
        verdict=Verdict.FAILURE,
        found=f"*.{apex} does not resolve",
        next=f"add a DNS record for *.{apex} with the address of this machine, or change INTERLOCK_APEX",
    )


def judge_parts(sick: Collection[str], *, is_running: bool, is_ready: bool, logs: str) -> Finding:
    """Judge the parts of a running installation; `sick` are those that do not answer."""
    if not is_running:
        return Finding(
            name="parts", verdict=Verdict.WARNING, found="nothing runs here", next="start it with `interlock up`"
        )
    if not is_ready:
        return Finding(
            name="parts",
            verdict=Verdict.WARNING,
            found="`interlock up` runs, and not all parts have been healthy yet",
            next=f"wait a moment; if it stays so, look into {logs}",
        )
    if sick:
        return Finding(
            name="parts",
            verdict=Verdict.FAILURE,
            found=f"no answer from {', '.join(sorted(sick))}",
            next=f"`interlock up` starts parts again; if it stays so, look into {logs}",
        )
    return Finding(name="parts", verdict=Verdict.OK, found="all answer")


def judge_program(name: str, version: str | None, problem: str) -> Finding:
    """Judge a program that interlock starts; `version` None: it does not run, and `problem` says why."""
    if version is not None:
        return Finding(name=name, verdict=Verdict.OK, found=version)
    return Finding(name=name, verdict=Verdict.FAILURE, found=problem, next="run `make setup`")


def judge_docker(problem: str, *, is_needed: bool, version: str, socket: str) -> Finding:
    """Judge the Docker Engine; an empty `problem` means that it answers."""
    if not problem:
        return Finding(name="docker", verdict=Verdict.OK, found=f"the engine at {socket} answers, API {version}")
    if not is_needed:
        return Finding(name="docker", verdict=Verdict.OK, found="no engine; the process backend needs none")
    return Finding(
        name="docker",
        verdict=Verdict.FAILURE,
        found=problem,
        next="start the engine, give this user access to the socket, or set INTERLOCK_KRANE__BACKEND=process",
    )


def worst(findings: Sequence[Finding]) -> Verdict:
    """Return the most serious verdict."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)
