"""Which git repositories can be deployed from, and how a commit in one is named.

Pure: an address is judged by its text alone. What a name resolves to is known to krane's machine only, and guarding its
network is its operator's affair; what is refused here is what nobody needs a name for.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from services.domain.errors import Invalid
from services.domain.images import is_registry

MAX_URL: Final = 1024
MAX_REF: Final = 255
# Answered by clouds to their machines, with secrets. Most are link-local; these are not.
METADATA_ADDRESSES: Final = frozenset({ip_address("100.100.100.200"), ip_address("fd00:ec2::254")})

_PRINTABLE = re.compile(r"[!-~]+")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REMOTE = re.compile(
    rf"(?:(?P<user>[^/]*)@)?(?P<host>{_NAME}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>[^?#]+)"
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# What ssh and scp are used to: git@example.com:team/app.git
_SCP = re.compile(rf"(?P<user>{_USER.pattern})@(?P<host>{_NAME}):(?P<path>[^:-].*)")
# Other ways to write an IPv4 address, which resolvers understand: 2852039166, 0xa9fea9fe, 0251.0376.0251.0376
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# By git's rules for names of refs; "+" and "-" at the beginning would mean something else on a command line.
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\A[-+./]|[./]\Z|\A@\Z")


class GitProtocol(StrEnum):
    """How a repository is reached; the names are git's."""

    HTTPS = "https"
    HTTP = "http"  # on this machine alone
    SSH = "ssh"
    FILE = "file"  # of krane's machine, where its operator allows it


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """What to fetch. Made by `check_git` from what comes from outside."""

    url: str
    # A branch, a tag, a full name such as refs/heads/main, or a whole commit id. Empty: the default branch.
    ref: str

    @property
    def protocol(self) -> GitProtocol:
        """How the repository is reached."""
        scheme, is_url, _ = self.url.partition("://")
        return GitProtocol(scheme) if is_url else GitProtocol.SSH

    @property
    def host(self) -> str:
        """Whom to ask; empty for a folder."""
        match = _SCP.fullmatch(self.url) or _REMOTE.fullmatch(self.url.partition("://")[2])
        return match["host"] if match else ""

    @property
    def server(self) -> str:
        """The host[:port] by which a workspace's credential for it goes; empty when it is asked with none."""
        if self.protocol not in (GitProtocol.HTTPS, GitProtocol.HTTP):
            return ""
        authority = self.authority.lower()
        return authority if is_registry(authority) else ""

    @property
    def authority(self) -> str:
        """Host and port as the URL writes them."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def commit(self) -> str:
        """The commit id, when the ref is one; empty otherwise."""
        return self.ref if _COMMIT.fullmatch(self.ref) else ""

    @property
    def is_default(self) -> bool:
        """Whether it is the repository that says which branch is meant."""
        return self.ref in ("", "HEAD")

    @property
    def branch(self) -> str:
        """The branch, as far as the ref says it; empty otherwise."""
        branch = self.ref.removeprefix("refs/heads/")
        return "" if self.commit or branch == "HEAD" or branch.startswith("refs/") else branch


def check_git(url: str, ref: str) -> GitSource:
    """A source as it is; raises Invalid saying what to correct. No message repeats a URL: it may hold a password."""
    if not _PRINTABLE.fullmatch(url) or len(url) > MAX_URL:
        raise Invalid(f"the git URL is not usable: send 1 to {MAX_URL} printable ASCII characters without spaces")
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        _check_scp(url)
    elif scheme in ("https", "http", "ssh"):
        _check_remote(scheme, rest)
    elif scheme == "file":
        _check_file(rest)
    else:
        raise Invalid("the git URL is not usable: begin with https://, ssh:// or file://, or send user@host:path")
    return GitSource(url=url, ref=_check_ref(ref))


def _check_remote(scheme: str, rest: str) -> None:
    match = _REMOTE.fullmatch(rest)
    user = match["user"] if match else None
    if ":" in (user or "") or (user is not None and scheme != "ssh"):
        raise Invalid(
            "the git URL holds credentials, which would be stored and shown: leave them out, and set them for its host "
            "with `interlock credentials set`"
        )
    if match is None or int(match["port"] or 0) > 65535 or not _USER.fullmatch(user or "git"):
        raise Invalid(f"the git URL is not usable: send {scheme}://host/path, without a query")
    _check_host(match["host"])
    if scheme == "http" and not _is_loopback(match["host"]):
        raise Invalid("the git URL is not usable: http can be listened to and changed on its way; use https or ssh")


def _check_scp(url: str) -> None:
    match = _SCP.fullmatch(url)
    if match is None:
        raise Invalid("the git URL is not usable: begin with https://, ssh:// or file://, or send user@host:path")
    _check_host(match["host"])


def _check_file(path: str) -> None:
    # git would decode "%"; nobody needs it to name a folder.
    if not path.startswith("/") or path.startswith("//") or "%" in path:
        raise Invalid("the git URL is not usable: send file:///path/to/repository, without a host and without '%'")


def _check_host(host: str) -> None:
    address = _address(host)
    if address is None:
        if host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise Invalid("the host of the git URL is neither a name nor an address: write addresses as 192.0.2.1")
    elif address.is_link_local or address.is_unspecified or address.is_multicast or address in METADATA_ADDRESSES:
        raise Invalid(f"the host of the git URL, {address}, is no place for a repository: name another")


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _check_ref(ref: str) -> str:
    if ref and (len(ref) > MAX_REF or not ref.isprintable() or _NOT_IN_REF.search(ref)):
        raise Invalid(
            f"git ref {ref[:80]!r} is not usable: send a branch, a tag or a whole commit id of at most {MAX_REF} "
            "characters"
        )
    return ref
