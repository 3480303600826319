"""What git and ssh are told: everything by files and variables of ours, nothing by those of the machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.config import ROOT
from services.domain.errors import PreconditionFailed
from services.domain.git import GitSource
from services.files import write_atomically
from services.krane.types import HostCredential

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# What git needs to leave a machine that has no other way out.
PROXY_VARIABLES = ("HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy")
CONNECT_SECONDS = 20
# A server that sends less than this many bytes a second, for so long, has stopped.
SLOWEST_BYTES, SLOWEST_SECONDS = 1000, 60

# In place of the user's. It reaches every git that git starts, which the command line's -c does not.
GIT_CONFIG = f"""\
[core]
    hooksPath = /dev/null
    # Larger files are streamed, not held in memory.
    bigFileThreshold = 8m
[fetch]
    unpackLimit = 1
[gc]
    auto = 0
[maintenance]
    auto = false
[http]
    # A redirect could lead to addresses that were refused.
    followRedirects = false
    lowSpeedLimit = {SLOWEST_BYTES}
    lowSpeedTime = {SLOWEST_SECONDS}
[submodule]
    recurse = false
[tar]
    umask = 0022
"""
# git's own: it hands out what is in `~/.git-credentials`, to the protocol, host and port that stand there. A server is
# first asked without; what it refuses is removed from that file.
CREDENTIAL_HELPER = """\
[credential]
    helper = store
"""
# What wins over every .gitattributes: the archive holds what the commit holds.
GIT_ATTRIBUTES = "* -export-ignore -export-subst\n"
# git calls a program without arguments as ssh, or a shell with a command; this program adds the one argument.
SSH_PROGRAM = '#!/bin/sh\nexec ssh -F "$INTERLOCK_SSH_CONFIG" "$@"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class SshIdentity:
    """How krane shows itself to git servers, and how it knows them again."""

    # None: it has none, and only what is open to everybody can be read.
    key_file: Path | None
    known_hosts: Path


def write_files(folder: Path, identity: SshIdentity, login: str = "") -> None:
    """Put beside one another what the environment names. `login` is a line of git's credential store."""
    for private in (folder / "home", folder / "tmp"):
        private.mkdir(mode=0o700, exist_ok=True)
    (folder / "gitconfig").write_text(GIT_CONFIG + (CREDENTIAL_HELPER if login else ""))
    if login:
        write_atomically(folder / "home" / ".git-credentials", login.encode())
    (folder / "ssh_config").write_text(_ssh_config(identity))
    ssh = folder / "ssh"
    ssh.write_text(SSH_PROGRAM)
    ssh.chmod(0o700)


def stored_login(git: GitSource, credential: HostCredential) -> str:
    """A credential as git's store keeps it. Raises PreconditionFailed for one that git cannot send."""
    if any(character in credential.password for character in "\r\n"):
        raise PreconditionFailed(
            f"the password for {credential.registry} holds a line break, which git cannot send: set it again with "
            f"`interlock credentials set {credential.registry}`"
        )
    user, password = (quote(part, safe="") for part in (credential.username, credential.password))
    return f"{git.protocol}://{user}:{password}@{git.authority}\n"


def fetch_environment(folder: Path, git: GitSource, own: Mapping[str, str]) -> dict[str, str]:
    """What a fetch sees. `own` is krane's environment."""
    certificates = {"GIT_SSL_CAINFO": own["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in own else {}
    return {
        **{name: own[name] for name in PROXY_VARIABLES if name in own},
        **certificates,
        # Also after a redirect, and for whatever else git might be led to.
        "GIT_ALLOW_PROTOCOL": git.protocol,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH": str(folder / "ssh"),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": str(folder / "home"),
        "INTERLOCK_SSH_CONFIG": str(folder / "ssh_config"),
        # What git says is read, in English.
        "LC_ALL": "C.UTF-8",
        "PATH": SYSTEM_PATH,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(folder / "tmp"),
        "XDG_CONFIG_HOME": str(folder / "home"),
    }


def _ssh_config(identity: SshIdentity) -> str:
    key_file = _quoted(identity.key_file) if identity.key_file else "none"
    return f"""\
BatchMode yes
ConnectTimeout {CONNECT_SECONDS}
ServerAliveInterval 15
StrictHostKeyChecking accept-new
UserKnownHostsFile {_quoted(identity.known_hosts)}
UpdateHostKeys no
IdentitiesOnly yes
IdentityAgent none
IdentityFile {key_file}
PreferredAuthentications publickey
ClearAllForwardings yes
"""


def _quoted(path: Path) -> str:
    # ssh would read "%h" as the host.
    return f'"{str(path.resolve()).replace("%", "%%")}"'
