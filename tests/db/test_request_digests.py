"""A request that is repeated after an upgrade is the same request."""

from dataclasses import replace

from services.db.deployment_requests import DeploymentRequest
from services.domain.git import GitSource
from services.domain.settings import SETTINGS, RunSettings, settings_from

IMAGE = DeploymentRequest(
    workspace="default",
    project="shop",
    environment="production",
    source=None,
    image="ghcr.io/team/shop:1",
    branch="main",
    commit_sha="1111111",
    message="why",
    settings=RunSettings(replicas=2, command=("python", "app.py")),
    variables={"A": "1"},
)
GIT = replace(
    IMAGE,
    image=None,
    git=GitSource(url="https://example.com/a.git", ref="main"),
    settings=RunSettings(),
    variables={},
)


def test_digests_are_those_that_the_first_version_stored() -> None:
    # Computed by the code of commit 9ed9163.
    assert IMAGE.digest() == "3594961cb01b1f2a7dc78e2193251cbd55fd724b62e0874b8bcbda57a456682f"
    assert GIT.digest() == "a42316a35d5272f6dfa068faddfce5d9f427d4952ae0f47120de5039235c8299"


def test_every_setting_makes_another_request() -> None:
    digests = {
        replace(GIT, settings=settings_from({setting.name: 7 if setting.highest else "x"})).digest()
        for setting in SETTINGS
    }

    assert len(digests | {GIT.digest()}) == len(SETTINGS) + 1
