import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.errors import Invalid
from services.domain.hostnames import (
    MAX_LABEL,
    Naming,
    branch_hostname,
    check_hostname,
    commit_hostname,
    environment_hostname,
    is_routable,
    live_hostname,
    slugify,
)

APEX = "interlock.localhost"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
HOSTILE = [
    "功能",
    "x" * 250,
    "../..",
    "🚀",
    "-",
    "--",
    "a..b",
    " ",
    "İ",
    "ß" * 70,
    "feature/" + "é" * 80,
    "xn--a",
    "git",
]

API = Naming(
    workspace="acme",
    project="api",
    environment="production",
    branch="main",
    commit_sha="0123456789abcdef",
    deployment_id="d_1",
    apex=APEX,
)


def all_names(naming: Naming) -> dict[tuple[str, ...], str]:
    """Each generated hostname, by what it stands for."""
    owner = (naming.workspace, naming.project)
    names = {
        ("commit", naming.deployment_id): commit_hostname(naming),
        ("environment", *owner, naming.environment): environment_hostname(naming),
        ("live", *owner): live_hostname(naming),
    }
    branch = branch_hostname(naming)
    if branch is not None:
        names["branch", *owner, slugify(naming.branch) or naming.branch] = branch
    return names


def ambiguous(*namings: Naming) -> list[str]:
    """The names that stand for more than one thing."""
    meanings: dict[str, set[tuple[str, ...]]] = {}
    for naming in namings:
        for meaning, name in all_names(naming).items():
            meanings.setdefault(name, set()).add(meaning)
    return [name for name, meant in meanings.items() if len(meant) > 1]


# -- slugs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("feat/x", "feat-x"),
        ("feat-x", "feat-x"),
        ("feat_x", "feat-x"),
        ("Feature/ABC-123", "feature-abc-123"),
        ("release/v1.2.3", "release-v1-2-3"),
        ("--a--b--", "a-b"),
        ("../..", ""),
        ("功能", ""),
        ("🚀 launch", "launch"),
    ],
)
def test_slugs_follow_the_contract(text: str, slug: str) -> None:
    assert slugify(text) == slug


# -- generated names --------------------------------------------------------------------------------------------------


def test_plain_inputs_give_the_documented_patterns() -> None:
    assert re.fullmatch(rf"api-git-0123456-[a-z2-7]{{6}}-acme\.{APEX}", commit_hostname(API))
    assert branch_hostname(replace(API, branch="Feature/ABC-123")) == f"api-git-feature-abc-123-acme.{APEX}"
    assert environment_hostname(API) == f"api-production-acme.{APEX}"
    assert live_hostname(API) == f"api-acme.{APEX}"


def test_a_deployment_without_a_branch_gets_no_branch_name() -> None:
    assert branch_hostname(replace(API, branch="")) is None


def test_two_deployments_of_one_commit_get_different_commit_names() -> None:
    again = replace(API, deployment_id="d_2")

    assert commit_hostname(again) != commit_hostname(API)


def test_the_commit_name_comes_from_the_deployment_and_never_from_chance() -> None:
    # Written down, since a name that was given once must stay: in replays, after restarts, in later versions.
    assert commit_hostname(API) == f"api-git-0123456-ijluyb-acme.{APEX}"
    assert commit_hostname(replace(API, commit_sha="")) == f"api-git-8660073-ijluyb-acme.{APEX}"


def test_names_that_could_mean_two_things_differ() -> None:
    # Both would read api-git-main-acme-prod.
    mine = replace(API, workspace="prod", branch="main/acme")
    theirs = replace(API, workspace="acme-prod", branch="main")

    assert branch_hostname(mine) != branch_hostname(theirs)
    assert set(all_names(mine).values()).isdisjoint(all_names(theirs).values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (replace(API, project="api-git-main"), replace(API, branch="main")),
        (replace(API, project="api-production"), replace(API, environment="production")),
        (replace(API, project="web-api", workspace="acme"), replace(API, project="web", workspace="api-acme")),
        (replace(API, environment="git-main"), replace(API, branch="main")),
        (replace(API, branch="功能"), replace(API, branch="特性")),
        (replace(API, branch="x" * 100 + "a"), replace(API, branch="x" * 100 + "b")),
    ],
)
def test_look_alikes_never_share_a_name(one: Naming, other: Naming) -> None:
    assert not ambiguous(one, replace(other, deployment_id="d_2"))


def test_a_branch_cannot_take_the_name_of_a_commit() -> None:
    commit_like = commit_hostname(API).removeprefix("api-git-").removesuffix(f"-acme.{APEX}")

    assert branch_hostname(replace(API, branch=commit_like)) != commit_hostname(API)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["workspace", "project", "environment", "branch", "deployment_id"])
def test_hostile_inputs_give_valid_names(field: str, text: str) -> None:
    names = all_names(replace(API, **{field: text}))

    for name in names.values():
        assert_valid(name)


TEXT = st.one_of(
    st.text(max_size=80),
    st.sampled_from(HOSTILE),
    # Few words, often repeated, so that ambiguous joins come up.
    st.lists(
        st.sampled_from(["git", "api", "main", "acme", "production", "test", "a1b2c3d", "abcdef"]), max_size=4
    ).map("-".join),
).filter(lambda text: text.isascii() or not any(0xD800 <= ord(character) < 0xE000 for character in text))


@st.composite
def namings(draw: st.DrawFn, deployment_id: str) -> Naming:
    return Naming(
        workspace=draw(TEXT),
        project=draw(TEXT),
        environment=draw(TEXT),
        branch=draw(TEXT.map(lambda text: text.replace("-", "/", 1))),
        commit_sha=draw(
            st.one_of(st.just(""), st.just("a1b2c3d4"), st.text("0123456789abcdef", min_size=7, max_size=40))
        ),
        deployment_id=deployment_id,
        apex=APEX,
    )


@given(namings("d_1"))
def test_every_generated_name_is_a_valid_hostname(naming: Naming) -> None:
    for name in all_names(naming).values():
        assert_valid(name)
        assert check_hostname(name) == name


@given(namings("d_1"), namings("d_2"))
def test_one_name_never_stands_for_two_things(one: Naming, other: Naming) -> None:
    assert not ambiguous(one, other)


WORD = st.sampled_from(["git", "api", "main", "acme", "production", "test", "a1b2c3d", "b"])
SLUG = st.lists(WORD, min_size=1, max_size=3).map("-".join)


@settings(max_examples=200)
@given(st.tuples(SLUG, SLUG, SLUG, SLUG), st.tuples(SLUG, SLUG, SLUG, SLUG))
def test_slugs_joined_in_another_way_never_share_a_name(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    namings = [
        replace(
            API, workspace=workspace, project=project, environment=environment, branch=branch, deployment_id=deployment
        )
        for deployment, (workspace, project, environment, branch) in (("d_1", one), ("d_2", other))
    ]

    assert not ambiguous(*namings)


def assert_valid(name: str) -> None:
    label = name.removesuffix(f".{APEX}")
    assert len(label) <= MAX_LABEL
    assert LABEL.fullmatch(label), label
    assert label[2:4] != "--", f"{label} looks like punycode"


# -- names from outside -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fqdn"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("1.example", "1.example"),
    ],
)
def test_names_from_outside_are_normalised(name: str, fqdn: str) -> None:
    assert check_hostname(name) == fqdn
    assert check_hostname(fqdn) == fqdn


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a..b",
        ".example.com",
        "example.com..",
        "*",
        "*.example.com",
        "a_b.example.com",
        "-a.example.com",
        "a-.example.com",
        "a" * 64 + ".example",
        "ü" * 64 + ".example",
        ".".join(["a" * 49] * 5) + ".abcd",
        "example.com:8080",
        "127.0.0.1",
        "10.1",
        "4294967295",
        "::1",
        "[::1]",
        "[2001:db8::1]:443",
        "example.com\r\nhost: evil",
        "example.com\n",
        "example.com\x00",
        "exa mple.com",
        "user@example.com",
        "example.com/path",
        "../../etc/passwd",
        "a\u2024\u2024b",
        "℀.example",
        "\ud800.example",
    ],
)
def test_what_is_no_hostname_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="hostname"):
        check_hostname(name)


def test_253_characters_are_accepted_and_254_refused() -> None:
    longest = ".".join(["a" * 49] * 5) + ".abc"
    assert len(longest) == 253

    assert check_hostname(longest + ".") == longest
    with pytest.raises(Invalid, match="1 to 253"):
        check_hostname(longest + "d")


def test_a_refusal_does_not_repeat_a_huge_name() -> None:
    with pytest.raises(Invalid) as refused:
        check_hostname("x" * 100_000)

    assert len(refused.value.message) < 500


@given(st.text(max_size=300))
def test_whatever_is_accepted_is_a_plain_lower_case_fqdn(name: str) -> None:
    try:
        hostname = check_hostname(name)
    except Invalid:
        return

    assert len(hostname) <= 253
    assert all(LABEL.fullmatch(label) and len(label) <= 63 for label in hostname.split("."))
    assert check_hostname(hostname) == hostname


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "printer.local", "api.test", "other.localhost"])
def test_names_of_the_local_machine_and_network_are_not_routed(hostname: str) -> None:
    assert not is_routable(hostname, APEX)


@pytest.mark.parametrize(
    ("hostname", "apex"),
    [
        ("api.example.com", APEX),
        ("api-acme.interlock.localhost", APEX),
        ("interlock.localhost", APEX),
        ("api-acme.apps.test", "apps.test"),
        ("api-acme.apps.local", "apps.local"),
    ],
)
def test_public_names_and_names_under_the_apex_are_routed(hostname: str, apex: str) -> None:
    assert is_routable(hostname, apex)


def test_a_name_that_only_ends_like_the_apex_is_not_under_it() -> None:
    assert not is_routable("evil-apps.test", "apps.test")
