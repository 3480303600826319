"""The fakes take what the clients take."""

import inspect

import pytest

from services.gateway.client import GatewayClient
from services.krane.client import KraneClient
from tests.deployment.fakes import FakeGateways, FakeKrane


@pytest.mark.parametrize(("fake", "client"), [(FakeKrane, KraneClient), (FakeGateways, GatewayClient)])
def test_every_method_of_a_fake_has_the_parameters_of_the_clients(fake: type, client: type) -> None:
    methods = {name for name in vars(fake) if not name.startswith("_")}

    differing = {name for name in methods if _parameters(fake, name) != _parameters(client, name)}

    assert methods
    assert differing == set()


def _parameters(owner: type, method: str) -> list[tuple[str, object, object]]:
    parameters = inspect.signature(getattr(owner, method)).parameters.values()
    return [(one.name, one.kind, one.default) for one in parameters]
