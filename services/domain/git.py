"""Git sources: which repository URLs and refs are allowed.

Pure: URLs are checked by their text only. Only krane's machine knows what a host name resolves to, and its operator has
to protect its network. This module refuses addresses that no repository has, such as metadata services of clouds.
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
# Metadata services, from which cloud machines read secrets. Most are link-local; these are not.
METADATA_ADDRESSES: Final = frozenset({ip_address("100.100.100.200"), ip_address("fd00:ec2::254")})

_PRINTABLE = re.compile(r"[!-~]+")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REMOTE = re.compile(
    rf"(?:(?P<user>[^/]*)@)?(?P<host>{_NAME}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?/(?P<path>[^?#]+)"
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# The short form of ssh and scp: git@example.com:team/app.git
_SCP = re.compile(rf"(?P<user>{_USER.pattern})@(?P<host>{_NAME}):(?P<path>[^:-].*)")
# Other forms of IPv4 addresses that resolvers accept: 2852039166, 0xa9fea9fe, 0251.0376.0251.0376
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# git's rules for ref names. A leading "+" or "-" is refused too: git's command line gives those another meaning.
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\A[-+./]|[./]\Z|\A@\Z")


class GitProtocol(StrEnum):
    """How to reach a repository; the names are git's."""

    HTTPS = "https"
    HTTP = "http"  # on this machine only
    SSH = "ssh"
    FILE = "file"  # a folder on krane's machine, if its operator allows it


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """What to fetch. `check_git` creates it from untrusted text."""

    url: str
    # A branch, a tag, a full name such as refs/heads/main, or a full commit id. Empty: the default branch.
    ref: str

    @property
    def protocol(self) -> GitProtocol:
        """Protocol of the URL."""
        scheme, is_url, _ = self.url.partition("://")
        return GitProtocol(scheme) if is_url else GitProtocol.SSH

    @property
    def host(self) -> str:
        """Host of the URL; empty for a folder."""
        match = _SCP.fullmatch(self.url) or _REMOTE.fullmatch(self.url.partition("://")[2])
        return match["host"] if match else ""

    @property
    def server(self) -> str:
        """The host[:port] whose credential is used; empty if none is used."""
        if self.protocol not in (GitProtocol.HTTPS, GitProtocol.HTTP):
            return ""
        authority = self.authority.lower()
        return authority if is_registry(authority) else ""

    @property
    def authority(self) -> str:
        """Host and port as written in the URL."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def commit(self) -> str:
        """The commit id if the ref is one, else empty."""
        return self.ref if _COMMIT.fullmatch(self.ref) else ""

    @property
    def is_default(self) -> bool:
        """Whether the ref means the repository's default branch."""
        return self.ref in ("", "HEAD")

    @property
    def branch(self) -> str:
        """The branch if the ref names one, else empty."""
        branch = self.ref.removeprefix("refs/heads/")
        return "" if self.commit or branch == "HEAD" or branch.startswith("refs/") else branch


def check_git(url: str, ref: str) -> GitSource:
    """Check URL and ref; raises Invalid with what to correct. Messages never repeat the URL: it may hold a password."""
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
            "the git URL holds credentials, which would be stored and shown: remove them, and set them for the host "
            "with `interlock credentials set`"
        )
    if match is None or int(match["port"] or 0) > 65535 or not _USER.fullmatch(user or "git"):
        raise Invalid(f"the git URL is not usable: send {scheme}://host/path, without a query")
    _check_host(match["host"])
    if scheme == "http" and not _is_loopback(match["host"]):
        raise Invalid("the git URL is not usable: http is neither private nor tamper-proof; use https or ssh")


def _check_scp(url: str) -> None:
    match = _SCP.fullmatch(url)
    if match is None:
        raise Invalid("the git URL is not usable: begin with https://, ssh:// or file://, or send user@host:path")
    _check_host(match["host"])


def _check_file(path: str) -> None:
    # git decodes "%", so the path would not be what it looks like.
    if not path.startswith("/") or path.startswith("//") or "%" in path:
        raise Invalid("the git URL is not usable: send file:///path/to/repository, without a host and without '%'")


def _check_host(host: str) -> None:
    address = _address(host)
    if address is None:
        if host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise Invalid("the host of the git URL is not a name or an address: write addresses like 192.0.2.1")
    elif address.is_link_local or address.is_unspecified or address.is_multicast or address in METADATA_ADDRESSES:
        raise Invalid(f"the host of the git URL, {address}, cannot hold a repository: use another host")


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
            f"git ref {ref[:80]!r} is not usable: send a branch, a tag or a full commit id of at most {MAX_REF} "
            "characters"
        )
    return ref
