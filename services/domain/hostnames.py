"""Hostnames: which names a deployment gets, and which names from outside are acceptable.

Generated names are one DNS label under the apex:

    commit       <project>-git-<sha7>-<suffix>-<workspace>
    branch       <project>-git-<branch slug>-<workspace>
    environment  <project>-<environment>-<workspace>
    live         <project>-<workspace>

Joined with hyphens, such names can mean two things (workspace `prod`, project `api`, branch `main/acme` reads like
workspace `acme-prod`, project `api`, branch `main`). So a plain name is used only where it can be taken apart in one
way: the workspace holds no hyphen, the project holds no `git` part and does not end in an environment's name, the
environment is a well-known one, the branch does not look like a commit. Every other name, and every one that had to be
cut to 63 octets or whose parts slug to nothing, carries a hash of its full, structured input behind a double hyphen,
which no slug can hold: two inputs never give one name. Branch names differ only as far as their slugs do
(`feat/x` and `feat-x` are one hostname, by the contract's vectors).
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
    """All that a deployment's generated names are made of."""

    workspace: str
    project: str
    environment: str
    # Empty: the deployment has no branch, and gets no branch name.
    branch: str
    # Lower-case hex, or empty: then the deployment id stands in.
    commit_sha: str
    deployment_id: str
    apex: str


def slugify(text: str) -> str:
    """Lower-case, every run of other characters one hyphen: `Feature/ABC-123` gives `feature-abc-123`. May be empty."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")


def commit_hostname(naming: Naming) -> str:
    """The name of this one deployment. It never moves: the suffix comes from the deployment id."""
    sha = naming.commit_sha[:7] or hashlib.sha256(naming.deployment_id.encode()).hexdigest()[:7]
    suffix = _digest("deployment", naming.deployment_id)[:SUFFIX_LENGTH]
    full = ("commit", naming.workspace, naming.project, naming.commit_sha, naming.deployment_id)
    return _hostname(naming, ["git", f"{sha}-{suffix}"], full, plain=True)


def branch_hostname(naming: Naming) -> str | None:
    """The name that follows the newest deployment of a branch; None without a branch."""
    if not naming.branch:
        return None
    slug = slugify(naming.branch)
    full = ("branch", naming.workspace, naming.project, naming.branch)
    return _hostname(naming, ["git", slug], full, plain=bool(slug) and not _COMMIT_LIKE.fullmatch(slug))


def environment_hostname(naming: Naming) -> str:
    """The name that follows an environment."""
    full = ("environment", naming.workspace, naming.project, naming.environment)
    slug = slugify(naming.environment)
    return _hostname(naming, [slug], full, plain=naming.environment in WELL_KNOWN_ENVIRONMENTS)


def live_hostname(naming: Naming) -> str:
    """The project's own name."""
    return _hostname(naming, [], ("live", naming.workspace, naming.project), plain=True)


def check_hostname(name: str) -> str:
    """Return a name from outside as an FQDN: lower case, no trailing dot, ASCII. Raises Invalid with what is wrong."""
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
    """Whether gateways serve the name: names of the local machine and network are left alone, save under the apex."""
    if is_under(hostname, apex):
        return True
    return hostname not in _LOCAL_NAMES and not hostname.endswith(_LOCAL_SUFFIXES)


def is_under(hostname: str, apex: str) -> bool:
    """Whether the hostname is the apex or below it."""
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
        # Two characters before "--" would look like punycode's reserved form (RFC 5891 §4.2.3.1).
        kept = kept if len(kept) != 2 else f"{kept}x"
        label = f"{kept}--{_digest(*full)[:HASH_LENGTH]}"
    return f"{label}.{naming.apex}"


def _is_plain_project(project: str) -> bool:
    parts = project.split("-")
    return project != "" and "git" not in parts and not (len(parts) > 1 and parts[-1] in WELL_KNOWN_ENVIRONMENTS)


def _digest(*parts: str) -> str:
    """Lower-case base 32 over the parts, each with its length, so that no two lists of parts read the same."""
    message = b"".join(len(data).to_bytes(8, "big") + data for data in (part.encode() for part in parts))
    number = int.from_bytes(hashlib.sha256(message).digest())
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number >> (5 * i)) & 31] for i in range(26))
