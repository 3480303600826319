"""An instance that listens where no request arrives is told where it does listen, long before it must be ready."""

import time

import pytest

from services.domain.readiness import InstanceStatus
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, instance_when, inward_listing, spec, with_run

pytestmark = pytest.mark.needs(Needs.BUILDS)
SOON_SECONDS = 5.0


async def test_an_app_with_a_port_of_its_own_is_told_where_it_listens(krane: Krane, unused_tcp_port: int) -> None:
    wanted = with_run(spec("fixed-1", krane.image), command=inward_listing(str(unused_tcp_port)))
    await krane.client.create(wanted)
    began = time.monotonic()

    instance = await instance_when(krane.client, "fixed-1", lambda one: one.reason.startswith("it listens on"))

    assert time.monotonic() - began < SOON_SECONDS
    assert (instance.status, instance.healthy) == (InstanceStatus.RUNNING, False)
    assert instance.reason.startswith(f"it listens on 127.0.0.1:{unused_tcp_port}, not on PORT ")
    assert instance.last_probe is not None
    assert instance.last_probe.problem == instance.reason
    asked = await krane.client.get(NAMESPACE, "fixed-1", probe_now=True)
    assert asked is not None
    assert asked.instances[0].reason == instance.reason
    await krane.client.delete(NAMESPACE, "fixed-1")
