"""Hostnames: the names that a deployment gets, and the check of names from outside.

Generated names are one DNS label under the apex:

    commit       <project>-git-<sha7>-<suffix>-<workspace>
    branch       <project>-git-<branch slug>-<workspace>
    environment  <project>-<environment>-<workspace>
    live         <project>-<workspace>

Names joined with hyphens can be ambiguous: workspace `prod`, project `api`, branch `main/acme` gives the same name as
workspace `acme-prod`, project `api`, branch `main`. So a plain name is used only if it can be split in one way: the
workspace has no hyphen, the project has no `git` part and does not end in the name of an environment, the environment
is well-known, and the branch does not look like a commit.

Every other name ends in `--` and a hash of its full, structured input. So does a name that was cut to 63 octets, or
that has a part whose slug is empty. No slug holds `--`, so different inputs never give the same name. Exception:
branches with the same slug (`feat/x` and `feat-x`) share a hostname, as the contract's test vectors require.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from services.domain.errors import Invalid

MAX_LABEL: Final = 63
MAX_HOSTNAME: Final = 253  # RFC 1035 §3.1: 255 octets on the wire
HASH_LENGTH: Final = 10  # base 32: 50 bits
SUFFIX_LENGTH: Final = 6
WELL_KNOWN_ENVIRONMENTS: Final = frozenset({"production", "preview", "staging", "development", "test"})

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_COMMIT_LIKE = re.compile(rf"[0-9a-f]{{7}}-[a-z2-7]{{{SUFFIX_LENGTH}}}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL_SUFFIXES: Final = (".local", ".test", ".localhost")
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The input of a deployment's generated names."""

    workspace: str
    project: str
    environment: str
    # Empty: the deployment has no branch, and gets no branch name.
    branch: str
    # Lower-case hex. Empty: the deployment id is used instead.
    commit_sha: str
    deployment_id: str
    apex: str


def slugify(text: str) -> str:
    """Turn `Feature/ABC-123` into `feature-abc-123`: lower case, other characters become hyphens. May be empty."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")


def commit_hostname(naming: Naming) -> str:
    """Return the name of this deployment only. It never moves: its suffix comes from the deployment id."""
    sha = naming.commit_sha[:7] or hashlib.sha256(naming.deployment_id.encode()).hexdigest()[:7]
    suffix = _digest("deployment", naming.deployment_id)[:SUFFIX_LENGTH]
    full = ("commit", naming.workspace, naming.project, naming.commit_sha, naming.deployment_id)
    return _hostname(naming, ["git", f"{sha}-{suffix}"], full, plain=True)


def branch_hostname(naming: Naming) -> str | None:
    """Return the name that follows the newest deployment of a branch; None without a branch."""
    if not naming.branch:
        return None
    slug = slugify(naming.branch)
    full = ("branch", naming.workspace, naming.project, naming.branch)
    return _hostname(naming, ["git", slug], full, plain=bool(slug) and not _COMMIT_LIKE.fullmatch(slug))


def environment_hostname(naming: Naming) -> str:
    """Return the name that follows an environment."""
    full = ("environment", naming.workspace, naming.project, naming.environment)
    slug = slugify(naming.environment)
    return _hostname(naming, [slug], full, plain=naming.environment in WELL_KNOWN_ENVIRONMENTS)


def live_hostname(naming: Naming) -> str:
    """Return the name that follows the project's live deployment."""
    return _hostname(naming, [], ("live", naming.workspace, naming.project), plain=True)


def check_hostname(name: str) -> str:
    """Normalise a name from outside to an FQDN (lower case, no trailing dot, ASCII); raises Invalid."""
    hostname = name.removesuffix(".").lower()
    if not hostname.isascii():
        try:
            hostname = hostname.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise Invalid(f"hostname {name[:80]!r} cannot be written in ASCII (IDNA)") from error
    if not hostname or len(hostname) > MAX_HOSTNAME:
        raise Invalid(f"hostname {name[:80]!r} must have 1 to {MAX_HOSTNAME} characters")
    for label in hostname.split("."):
        if not _LABEL.fullmatch(label):
            raise Invalid(
                f"hostname {name[:80]!r}: {label[:80]!r} is not a DNS label (1 to {MAX_LABEL} of a-z, 0-9 and '-', "
                "no '-' at its ends; wildcards, ports and addresses are not hostnames)"
            )
    if hostname.rpartition(".")[2].isdigit():
        raise Invalid(f"hostname {name[:80]!r} is an IP address; use a name")
    return hostname


def is_routable(hostname: str, apex: str) -> bool:
    """Return whether gateways serve the name. They skip names of the local machine and network outside the apex."""
    if is_under(hostname, apex):
        return True
    return hostname not in _LOCAL_NAMES and not hostname.endswith(_LOCAL_SUFFIXES)


def is_under(hostname: str, apex: str) -> bool:
    """Return whether the hostname is the apex or below it."""
    return hostname == apex or hostname.endswith("." + apex)


def _hostname(naming: Naming, middle: list[str], full: tuple[str, ...], *, plain: bool) -> str:
    project, workspace = slugify(naming.project), slugify(naming.workspace)
    label = "-".join(part for part in (project, *middle, workspace) if part)
    plain = (
        plain
        and len(label) <= MAX_LABEL
        and project == naming.project
        and workspace == naming.workspace
        and "-" not in workspace
        and workspace != ""
        and _is_plain_project(project)
    )
    if not plain:
        kept = label[: MAX_LABEL - HASH_LENGTH - 2].rstrip("-") or "x"
        # Labels with "--" after two characters are reserved for punycode (RFC 5891 §4.2.3.1).
        kept = kept if len(kept) != 2 else f"{kept}x"
        label = f"{kept}--{_digest(*full)[:HASH_LENGTH]}"
    return f"{label}.{naming.apex}"


def _is_plain_project(project: str) -> bool:
    parts = project.split("-")
    return project != "" and "git" not in parts and not (len(parts) > 1 and parts[-1] in WELL_KNOWN_ENVIRONMENTS)


def _digest(*parts: str) -> str:
    """Hash the parts to base 32. Each is hashed with its length, so that different lists give different input."""
    message = b"".join(len(data).to_bytes(8, "big") + data for data in (part.encode() for part in parts))
    number = int.from_bytes(hashlib.sha256(message).digest())
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number >> (5 * i)) & 31] for i in range(26))
