"""Asks a deployment that has just become ready for its first page: a health check need not notice that it is broken."""

from collections.abc import Sequence
from http import HTTPStatus

import httpx

from services.ctrl.enums import STICKY, status_of
from services.domain.settings import H2C
from services.domain.status import DeploymentStatus
from services.domain.stickiness import Sticky
from services.gen.ctrl.v1 import control_pb2 as pb

SECONDS = 3.0


def first_answer(deployment: pb.Deployment, host: str) -> Sequence[str]:
    """Return a warning if a ready deployment answers `/` with 5xx, else none; `host` is that of its gateway.

    A deployment that cannot be asked from here, or answers slowly, gives no warning.
    """
    if status_of(deployment) is not DeploymentStatus.READY or deployment.protocol == H2C or not deployment.domains:
        return ()
    # The live hostname is what people open.
    domain = max(deployment.domains, key=lambda one: STICKY.decode(one.sticky) == Sticky.LIVE)
    url = httpx.URL(domain.url)
    try:
        with httpx.Client(trust_env=False, verify=False, timeout=SECONDS) as client:
            answer = client.get(url.copy_with(host=host, path="/"), headers={"Host": url.netloc.decode()})
    except httpx.HTTPError:
        return ()
    if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return ()
    return (f"{domain.url} answers {answer.status_code}: see `interlock logs {deployment.id}`",)
