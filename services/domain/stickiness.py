"""What a domain follows, and the domains that a deployment gets."""

from dataclasses import dataclass
from enum import StrEnum

from services.domain.hostnames import Naming, branch_hostname, commit_hostname, environment_hostname, live_hostname


class Sticky(StrEnum):
    """What a domain follows."""

    COMMIT = "commit"  # nothing: it belongs to one deployment and never moves
    BRANCH = "branch"  # the newest deployment of a branch
    ENVIRONMENT = "environment"  # the newest deployment of an environment, unless that is rolled back
    LIVE = "live"  # the project's live deployment; production only


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDomain:
    """A hostname that a deployment should get."""

    hostname: str
    sticky: Sticky


def build_domains(naming: Naming, *, is_production: bool) -> list[WantedDomain]:
    """Return the generated domains of a deployment, in a fixed order."""
    domains = [WantedDomain(hostname=commit_hostname(naming), sticky=Sticky.COMMIT)]
    branch = branch_hostname(naming)
    if branch is not None:
        domains.append(WantedDomain(hostname=branch, sticky=Sticky.BRANCH))
    domains.append(WantedDomain(hostname=environment_hostname(naming), sticky=Sticky.ENVIRONMENT))
    if is_production:
        domains.append(WantedDomain(hostname=live_hostname(naming), sticky=Sticky.LIVE))
    return domains
