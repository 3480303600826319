import pytest

from services.domain.errors import Invalid
from services.domain.git import GitProtocol, check_git
from services.domain.images import check_host

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("url", "protocol", "host"),
    [
        ("https://github.com/acme/app", GitProtocol.HTTPS, "github.com"),
        ("https://git.example.com:8443/team/app.git", GitProtocol.HTTPS, "git.example.com"),
        ("https://192.0.2.7/app.git", GitProtocol.HTTPS, "192.0.2.7"),
        ("https://[2001:db8::1]:443/app.git", GitProtocol.HTTPS, "[2001:db8::1]"),
        ("https://git.example.com/a%20b/~team/c@d.git", GitProtocol.HTTPS, "git.example.com"),
        ("ssh://git@git.example.com:2222/app.git", GitProtocol.SSH, "git.example.com"),
        ("ssh://git.example.com/app.git", GitProtocol.SSH, "git.example.com"),
        ("git@github.com:acme/app.git", GitProtocol.SSH, "github.com"),
        ("git@git-server:/srv/app.git", GitProtocol.SSH, "git-server"),
        ("http://127.0.0.1:3000/app.git", GitProtocol.HTTP, "127.0.0.1"),
        ("http://localhost/app.git", GitProtocol.HTTP, "localhost"),
        ("http://[::1]:3000/app.git", GitProtocol.HTTP, "[::1]"),
        ("file:///srv/git/app.git", GitProtocol.FILE, ""),
    ],
)
def test_a_repository_is_reached_by_https_ssh_or_file(url: str, protocol: GitProtocol, host: str) -> None:
    git = check_git(url, "main")

    assert (git.url, git.protocol, git.host) == (url, protocol, host)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "printable"),
        ("https://example.com/" + "x" * 1024, "at most|1 to 1024"),
        ("https://example.com/a b", "printable"),
        ("https://example.com/\n", "printable"),
        ("https://example.com/\x1b[2J", "printable"),
        ("https://exämple.com/app", "printable"),
        ("ext::sh -c touch% /tmp/pwned", "printable"),
        ("ext::sh", "begin with https"),
        ("fd::17", "begin with https"),
        ("git://example.com/app", "begin with https"),
        ("ftp://example.com/app", "begin with https"),
        ("HTTPS://example.com/app", "begin with https"),
        ("transport::https://example.com/app", "begin with https"),
        ("/srv/git/app", "begin with https"),
        ("../app", "begin with https"),
        ("--upload-pack=touch", "begin with https"),
        ("-oProxyCommand=x@host:path", "begin with https"),
        ("git@-oProxyCommand=x:path", "begin with https"),
        ("git@host:-oProxyCommand=x", "begin with https"),
        ("git@host::path", "begin with https"),
        ("host:path", "begin with https"),
        ("git@host:", "begin with https"),
        ("https://example.com", "host/path"),
        ("https://example.com/", "host/path"),
        ("https:///app", "host/path"),
        ("https://-oProxyCommand=x/app", "host/path"),
        ("ssh://-oProxyCommand=x/app", "host/path"),
        ("ssh://-x@host/app", "host/path"),
        ("ssh://%2doProxyCommand=x/app", "host/path"),
        ("https://example.com:99999/app", "host/path"),
        ("https://example.com:port/app", "host/path"),
        ("https://example.com./app", "host/path"),
        ("https://example.com/app?private_token=secret", "without a query"),
        ("https://example.com/app#main", "without a query"),
        ("http://example.com/app", "use https or ssh"),
        ("http://127.0.0.1.example.com/app", "use https or ssh"),
        ("https://169.254.169.254/latest/meta-data", "cannot hold a repository"),
        ("ssh://git@169.254.169.254/app", "cannot hold a repository"),
        ("git@169.254.169.254:app", "cannot hold a repository"),
        ("https://[fe80::1]/app", "cannot hold a repository"),
        ("https://[::ffff:169.254.169.254]/app", "cannot hold a repository"),
        ("https://[fd00:ec2::254]/app", "cannot hold a repository"),
        ("https://100.100.100.200/app", "cannot hold a repository"),
        ("https://[::]/app", "cannot hold a repository"),
        ("https://224.0.0.1/app", "cannot hold a repository"),
        ("https://2852039166/app", "not a name or an address"),
        ("https://0xa9fea9fe/app", "not a name or an address"),
        ("https://0251.0376.0251.0376/app", "not a name or an address"),
        ("https://169.254.43518/app", "not a name or an address"),
        ("https://[1.2.3.4]:80:90/app", "host/path"),
        ("file://host/app", "file:///path"),
        ("file:////host/app", "file:///path"),
        ("file:///srv/%2e%2e/etc", "without '%'"),
    ],
)
def test_what_is_no_repository_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        check_git(url, "main")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://git.example.com/team/app.git", "git.example.com"),
        ("https://Git.Example.com:8443/app", "git.example.com:8443"),
        ("http://127.0.0.1:3000/app", "127.0.0.1:3000"),
        ("https://localhost/app", "localhost"),
        ("ssh://git@git.example.com/app", ""),
        ("git@git.example.com:app", ""),
        ("file:///srv/git/app", ""),
        # What no credential can be set for.
        ("https://git/app", ""),
        ("https://[::1]:3000/app", ""),
        ("https://index.docker.io/app", ""),
    ],
)
def test_a_server_is_asked_with_the_credential_of_its_host(url: str, server: str) -> None:
    assert check_git(url, "main").server == server
    assert not server or check_host(server) == server


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@example.com/app",
        "https://s3cret@example.com/app",
        "https://:s3cret@example.com/app",
        "http://s3cret@127.0.0.1/app",
        "ssh://git:s3cret@example.com/app",
        "https://user:s3cret@example.com",
        "https://user:s3cret@exa mple.com/app",
        "git:s3cret@example.com:app",
        "HTTPS://user:s3cret@example.com/app",
    ],
)
def test_credentials_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_git(url, "main")

    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize(
    ("ref", "branch", "commit"),
    [
        ("", "", ""),
        ("HEAD", "", ""),
        ("main", "main", ""),
        ("feat/x", "feat/x", ""),
        ("größer", "größer", ""),
        ("a+b", "a+b", ""),
        ("v1.2", "v1.2", ""),
        ("refs/heads/feat/x", "feat/x", ""),
        ("refs/tags/v1", "", ""),
        ("refs/pull/7/head", "", ""),
        ("0123456", "0123456", ""),
        (COMMIT, "", COMMIT),
        ("f" * 64, "", "f" * 64),
    ],
)
def test_a_ref_is_a_branch_a_commit_or_something_else(ref: str, branch: str, commit: str) -> None:
    git = check_git("https://example.com/app", ref)

    assert (git.ref, git.branch, git.commit) == (ref, branch, commit)


@pytest.mark.parametrize(
    "ref",
    [
        *(
            "-main",
            "--upload-pack=x",
            "+main",
            "main:main",
            "^main",
            "main^",
            "main~1",
            "a b",
            "a\tb",
            "a\nb",
            "a\x7fb",
        ),
        *(
            "a..b",
            "a//b",
            "/a",
            "a/",
            "a.",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "@",
            "a@{1}",
            "a?",
            "a*",
            "a[b",
            "a\\b",
        ),
        *("a\u2028b", "a\u00a0b", "x" * 256),
    ],
)
def test_what_git_would_not_take_as_a_ref_is_refused(ref: str) -> None:
    with pytest.raises(Invalid, match="git ref"):
        check_git("https://example.com/app", ref)
