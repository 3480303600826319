import pytest

from services.domain.errors import Invalid
from services.domain.images import check_host, check_login, is_pinned, registry_of

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("app", "docker.io"),
        ("app:1", "docker.io"),
        ("team/app:1", "docker.io"),
        ("index.docker.io/team/app", "docker.io"),
        ("docker.io/library/app:1", "docker.io"),
        ("localhost/app", "localhost"),
        ("127.0.0.1:5000/team/app:1", "127.0.0.1:5000"),
        (f"GHCR.io/team/app@sha256:{HEX}", "ghcr.io"),
        (f"sha256:{HEX}", None),
        (f"artifact@sha256:{HEX}", None),
    ],
)
def test_a_name_says_its_registry_as_docker_reads_it(image: str, registry: str | None) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"sha256:{HEX}", True),
        (f"artifact@sha256:{HEX}", True),
        (f"ghcr.io/app@sha256:{HEX}", True),
        (f"ghcr.io/app:1@sha256:{HEX}", True),
        ("ghcr.io/app:1", False),
        ("ghcr.io/app", False),
        (f"sha256:{HEX[1:]}", False),
    ],
)
def test_a_digest_means_the_same_for_ever_and_a_tag_does_not(image: str, pinned: bool) -> None:
    assert is_pinned(image) is pinned


@pytest.mark.parametrize(
    ("address", "registry"),
    [
        ("ghcr.io", "ghcr.io"),
        ("GHCR.IO", "ghcr.io"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("localhost", "localhost"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
        ("https://registry.example.com/v2/", "registry.example.com"),
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_registries_are_named_in_one_way(address: str, registry: str) -> None:
    assert check_host(address) == registry


@pytest.mark.parametrize(
    "address",
    [
        *("", "team", "ghcr.io/team", "user:pw@ghcr.io", "ghcr.io:0", "ghcr.io:port", "-a.io", "a..io", "ftp://a.io"),
        *("a.io\n", "a b.io", "a." + "b" * 300),
    ],
)
def test_what_no_image_can_be_named_by_is_no_registry(address: str) -> None:
    with pytest.raises(Invalid, match="use host"):
        check_host(address)


@pytest.mark.parametrize(
    ("username", "password"),
    [("", "s3cret"), ("a:b", "s3cret"), ("a\n", "s3cret"), ("a" * 256, "s3cret"), ("a", ""), ("a", "s3cret" * 2731)],
)
def test_a_login_that_cannot_work_is_refused_without_being_shown(username: str, password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_login(username, password)

    assert "s3cret" not in refused.value.message
