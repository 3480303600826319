"""Branch and commit as CI systems name them in environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CiRevision:
    """Name of the CI system, branch and commit; empty when it does not say."""

    system: str = ""
    branch: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class _System:
    name: str
    # It is set in every job of this system.
    mark: str
    # The first that is set and names a branch counts. Those of a pull request come first.
    branches: tuple[str, ...]
    commit: str
    # Set if the job is for a tag, whose name may stand in the variables of branches.
    tag: str = ""


_SYSTEMS = (
    _System("GitHub Actions", "GITHUB_ACTIONS", ("GITHUB_HEAD_REF", "GITHUB_REF_NAME"), "GITHUB_SHA"),
    _System("GitLab CI", "GITLAB_CI", ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"), "CI_COMMIT_SHA"),
    _System("Bitbucket Pipelines", "BITBUCKET_BUILD_NUMBER", ("BITBUCKET_BRANCH",), "BITBUCKET_COMMIT"),
    _System("CircleCI", "CIRCLECI", ("CIRCLE_BRANCH",), "CIRCLE_SHA1"),
    _System("Buildkite", "BUILDKITE", ("BUILDKITE_BRANCH",), "BUILDKITE_COMMIT", "BUILDKITE_TAG"),
    _System(
        "Azure Pipelines", "TF_BUILD", ("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"), "BUILD_SOURCEVERSION"
    ),
    _System(
        "Jenkins",
        "JENKINS_URL",
        ("CHANGE_BRANCH", "BRANCH_NAME", "GIT_LOCAL_BRANCH", "GIT_BRANCH"),
        "GIT_COMMIT",
        "TAG_NAME",
    ),
)


def ci_revision(environ: Mapping[str, str]) -> CiRevision:
    """Return what the CI system says that this process runs in; empty outside of the known ones."""
    system = next((one for one in _SYSTEMS if environ.get(one.mark)), None)
    if system is None:
        return CiRevision()
    is_tag = bool(environ.get(system.tag)) or environ.get("GITHUB_REF_TYPE") == "tag"
    branches = () if is_tag else (_branch(environ.get(name, "")) for name in system.branches)
    commit = environ.get(system.commit, "")
    return CiRevision(
        system=system.name,
        branch=next((branch for branch in branches if branch), ""),
        # Buildkite says "HEAD" before it has looked.
        commit="" if commit == "HEAD" else commit,
    )


def _branch(ref: str) -> str:
    """Return the branch that a variable names; empty for tags and pull requests."""
    if ref.startswith("refs/") and not ref.startswith("refs/heads/"):
        return ""
    return ref.removeprefix("refs/heads/").removeprefix("origin/")
