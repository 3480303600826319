import pytest

from services.domain.ci import CiRevision, ci_revision


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ("", CiRevision()),
        ("GITHUB_HEAD_REF=x GITHUB_SHA=1", CiRevision()),
        (
            "GITHUB_ACTIONS=true GITHUB_REF_NAME=feat/x GITHUB_REF_TYPE=branch GITHUB_SHA=1",
            CiRevision("GitHub Actions", "feat/x", "1"),
        ),
        (
            "GITHUB_ACTIONS=true GITHUB_HEAD_REF=feat/x GITHUB_REF_NAME=12/merge GITHUB_SHA=1",
            CiRevision("GitHub Actions", "feat/x", "1"),
        ),
        (
            "GITHUB_ACTIONS=true GITHUB_REF_NAME=v1 GITHUB_REF_TYPE=tag GITHUB_SHA=1",
            CiRevision("GitHub Actions", "", "1"),
        ),
        ("GITLAB_CI=true CI_COMMIT_BRANCH=feat/x CI_COMMIT_SHA=1", CiRevision("GitLab CI", "feat/x", "1")),
        ("GITLAB_CI=true CI_MERGE_REQUEST_SOURCE_BRANCH_NAME=y CI_COMMIT_SHA=1", CiRevision("GitLab CI", "y", "1")),
        ("GITLAB_CI=true CI_COMMIT_TAG=v1 CI_COMMIT_REF_NAME=v1 CI_COMMIT_SHA=1", CiRevision("GitLab CI", "", "1")),
        (
            "BITBUCKET_BUILD_NUMBER=7 BITBUCKET_BRANCH=x BITBUCKET_COMMIT=1",
            CiRevision("Bitbucket Pipelines", "x", "1"),
        ),
        ("JENKINS_URL=u CHANGE_BRANCH=x BRANCH_NAME=PR-3 GIT_COMMIT=1", CiRevision("Jenkins", "x", "1")),
        ("JENKINS_URL=u GIT_BRANCH=origin/feat/x GIT_COMMIT=1", CiRevision("Jenkins", "feat/x", "1")),
        ("JENKINS_URL=u TAG_NAME=v1 BRANCH_NAME=v1 GIT_COMMIT=1", CiRevision("Jenkins", "", "1")),
        ("CIRCLECI=true CIRCLE_BRANCH=x CIRCLE_SHA1=1", CiRevision("CircleCI", "x", "1")),
        ("BUILDKITE=true BUILDKITE_BRANCH=x BUILDKITE_COMMIT=HEAD", CiRevision("Buildkite", "x", "")),
        ("BUILDKITE=true BUILDKITE_BRANCH=v1 BUILDKITE_TAG=v1 BUILDKITE_COMMIT=1", CiRevision("Buildkite", "", "1")),
        (
            "TF_BUILD=True BUILD_SOURCEBRANCH=refs/heads/feat/x BUILD_SOURCEVERSION=1",
            CiRevision("Azure Pipelines", "feat/x", "1"),
        ),
        (
            "TF_BUILD=True SYSTEM_PULLREQUEST_SOURCEBRANCH=refs/heads/x BUILD_SOURCEBRANCH=refs/pull/1/merge",
            CiRevision("Azure Pipelines", "x", ""),
        ),
        ("TF_BUILD=True BUILD_SOURCEBRANCH=refs/tags/v1", CiRevision("Azure Pipelines", "", "")),
    ],
)
def test_each_ci_system_names_branch_and_commit_in_its_way(environ: str, expected: CiRevision) -> None:
    assert ci_revision(dict(pair.split("=", 1) for pair in environ.split())) == expected
