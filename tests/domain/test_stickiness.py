from dataclasses import replace

from services.domain.hostnames import Naming
from services.domain.stickiness import Sticky, build_domains

NAMING = Naming(
    workspace="acme",
    project="api",
    environment="production",
    branch="main",
    commit_sha="0123456789",
    deployment_id="d_1",
    apex="example.com",
)


def test_a_production_deployment_asks_for_a_domain_of_each_kind() -> None:
    domains = build_domains(NAMING, is_production=True)

    assert [domain.sticky for domain in domains] == [Sticky.COMMIT, Sticky.BRANCH, Sticky.ENVIRONMENT, Sticky.LIVE]
    assert len({domain.hostname for domain in domains}) == 4


def test_a_preview_never_asks_for_live() -> None:
    domains = build_domains(replace(NAMING, environment="preview"), is_production=False)

    assert Sticky.LIVE not in {domain.sticky for domain in domains}


def test_a_deployment_without_a_branch_asks_for_no_branch_domain() -> None:
    domains = build_domains(replace(NAMING, branch=""), is_production=True)

    assert Sticky.BRANCH not in {domain.sticky for domain in domains}


def test_the_same_deployment_asks_for_the_same_domains_in_the_same_order() -> None:
    assert build_domains(NAMING, is_production=True) == build_domains(replace(NAMING), is_production=True)
