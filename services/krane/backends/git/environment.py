"""The configuration and environment of git and ssh. krane writes all of it; none comes from the machine."""

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
# Variables that git needs on a machine that reaches the internet through a proxy.
PROXY_VARIABLES = ("HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy")
CONNECT_SECONDS = 20
# git gives up if a server sends fewer bytes per second than this, for this many seconds.
SLOWEST_BYTES, SLOWEST_SECONDS = 1000, 60

# Used instead of the user's configuration. Unlike `git -c`, it also applies to every git that git starts.
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
# git's own helper. It reads `~/.git-credentials` and sends a login only to the protocol, host and port in its line. git
# first asks a server without a login, and removes a login from the file when the server refuses it.
CREDENTIAL_HELPER = """\
[credential]
    helper = store
"""
# Overrides every .gitattributes: the archive holds exactly what the commit holds.
GIT_ATTRIBUTES = "* -export-ignore -export-subst\n"
# GIT_SSH names a program without arguments, and GIT_SSH_COMMAND goes through a shell: this program adds the argument.
SSH_PROGRAM = '#!/bin/sh\nexec ssh -F "$INTERLOCK_SSH_CONFIG" "$@"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class SshIdentity:
    """How krane identifies itself to git servers, and how it recognizes them."""

    # None: krane has no key, and can read only public repositories.
    key_file: Path | None
    known_hosts: Path


def write_files(folder: Path, identity: SshIdentity, login: str = "") -> None:
    """Write the files that the environment names. `login` is a line of git's credential store."""
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
    """Return a credential as a line of git's store. Raises PreconditionFailed for one that git cannot send."""
    if any(character in credential.password for character in "\r\n"):
        raise PreconditionFailed(
            f"the password for {credential.host} holds a line break, which git cannot send: set it again with "
            f"`interlock credentials set {credential.host}`"
        )
    user, password = (quote(part, safe="") for part in (credential.username, credential.password))
    return f"{git.protocol}://{user}:{password}@{git.authority}\n"


def fetch_environment(folder: Path, git: GitSource, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a fetch. `own` is krane's environment."""
    certificates = {"GIT_SSL_CAINFO": own["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in own else {}
    return {
        **{name: own[name] for name in PROXY_VARIABLES if name in own},
        **certificates,
        # Also holds after a redirect, and for submodules.
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
        # krane reads git's messages, and expects English.
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
    # Otherwise ssh replaces "%h" with the host.
    return f'"{str(path.resolve()).replace("%", "%%")}"'
