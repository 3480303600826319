"""Turns git's output after a failed fetch into one sentence that says what to do."""

import re

from services.domain.git import GitProtocol, GitSource

MAX_CAUSE = 300
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
# ssh puts its name in front of some of its messages only.
_CAUSE = re.compile(
    r"^(?:(?:fatal|error|ERROR|ssh|kex_exchange_identification): |(?=Connection ))(?P<what>.*?)\.?$", re.MULTILINE
)
_ACCESS = "there is no repository at {url} that {reader} may read: {access_hint}"

# Patterns in the output of git, ssh and curl, and what each means. The first match wins.
_MEANINGS = (
    (r"couldn't find remote ref", "{url} has no branch or tag {ref!r}: {ref_hint}"),
    (
        r"not our ref|unadvertised object|remote did not send all necessary objects",
        "the server of {url} does not send commit {ref}: push it, or name a branch or tag that points at it, since "
        "some servers send only those",
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{host} shows another host key than before: if the key was changed on purpose, remove its line from "
        "known_hosts in krane's folder",
    ),
    (
        r"ssh: not found|cannot run ssh",
        "ssh is not installed on krane's machine: install it (on Debian: openssh-client), or use https",
    ),
    (r"dubious ownership", "{url} is not owned by the user that runs krane: make that user its owner"),
    (
        r"mismatched algorithms",
        "{url} names its commits by another hash: deploy it by a whole commit id, of 40 digits (SHA-1) or 64 (SHA-256)",
    ),
    (r"No space left on device", "the disk of krane's machine is full: make room"),
    (
        r"SSL certificate problem|certificate verification failed|certificate verify failed",
        "krane's machine does not trust the certificate of {host}: add its authority to the file in SSL_CERT_FILE",
    ),
    (
        r"returned error: 30\d|unable to update url base from redirection",
        "{url} redirects to another address, which krane does not follow: use that address (often it ends in .git)",
    ),
    (
        r"could not read (?:Username|Password)|Authentication failed|Permission denied|[Aa]ccess denied|"
        r"returned error: (?:401|403|404|410)|[Rr]epository .*not found|does not appear to be a git repository|"
        r"did you run git update-server-info",
        _ACCESS,
    ),
    (
        r"[Cc]ould(?:n't| not) resolve|Connection (?:refused|reset|timed out|closed)|Failed to connect|timed out|"
        r"Network is unreachable|No route to host|Operation too slow|unexpected disconnect|early EOF|Empty reply|"
        r"returned error: (?:429|5\d\d)|the remote end hung up",
        "krane's machine cannot reach the git server on {host}: {cause}; deploy again when it answers",
    ),
    # ssh adds this line to every failure.
    (r"Could not read from remote repository", _ACCESS),
    (r"", "git could not fetch {url}: {cause}"),
)


def describe_failure(git: GitSource, output: str, *, has_credential: bool = False) -> str:
    """Return one sentence on why a fetch failed. `output` is what git and its child processes printed."""
    meaning = next(meaning for pattern, meaning in _MEANINGS if re.search(pattern, output))
    return meaning.format(
        url=git.url,
        host=git.host,
        ref=git.ref or "HEAD",
        ref_hint=_hint_on_ref(git.ref),
        reader="the workspace's credential" if has_credential else "krane",
        access_hint=_hint_on_access(git, has_credential=has_credential),
        cause=_cause(output),
    )


def _hint_on_ref(ref: str) -> str:
    if _SHORT_COMMIT.fullmatch(ref):
        return "name a commit by its whole id, of 40 digits"
    return "push it, or name another one"


def _hint_on_access(git: GitSource, *, has_credential: bool) -> str:
    match git.protocol:
        case GitProtocol.FILE:
            return "correct the path, or let krane's user read it"
        case GitProtocol.SSH:
            return "correct the address, or let the key in INTERLOCK_KRANE__GIT_SSH_KEY_FILE read it there"
        case GitProtocol.HTTPS | GitProtocol.HTTP:
            if has_credential:
                return f"correct the address, or set another one with `interlock credentials set {git.server}`"
            by_ssh = "by ssh (git@host:path), with a key in INTERLOCK_KRANE__GIT_SSH_KEY_FILE"
            if not git.server:
                return f"correct the address; for a private repository, deploy {by_ssh}"
            return (
                "correct the address; for a private repository, save an access token with "
                f"`interlock credentials set {git.server} --username NAME`, or deploy {by_ssh}"
            )


def _cause(output: str) -> str:
    """Return the first line that names a problem: later lines are consequences."""
    match = _CAUSE.search(output)
    cause = match["what"] if match else "git does not say why"
    return "".join(character for character in cause if character.isprintable())[:MAX_CAUSE]
