"""Moving hostnames while clients look."""

import asyncio
import itertools

import pytest

from tests.gateway.backend import Backend, running_backend
from tests.gateway.lab import Lab
from tests.gateway.traffic import answered, traffic

pytestmark = pytest.mark.envoy

HOSTNAMES = [f"app-{number}.example.com" for number in range(60)]


def both(blue: Backend, green: Backend) -> dict[str, list[str]]:
    """The instances of two deployments."""
    return {"dep-blue": [blue.address], "dep-green": [green.address]}


async def test_many_hostnames_move_as_one(lab: Lab, blue: Backend, green: Backend) -> None:
    await lab.serve(dict.fromkeys(HOSTNAMES, "dep-blue"), both(blue, green))

    async with traffic(lab, HOSTNAMES) as answers:
        for target in ("dep-green", "dep-blue", "dep-green", "dep-blue", "dep-green", "dep-blue"):
            await answered(answers, 30)
            await lab.serve(dict.fromkeys(HOSTNAMES, target), both(blue, green))
        await answered(answers, 30)

    changes = [answer for answer, _ in itertools.groupby(answers)]
    assert changes == ["200 blue", "200 green"] * 3 + ["200 blue"]


async def test_no_request_fails_while_hostnames_move_between_deployments(
    lab: Lab, blue: Backend, green: Backend
) -> None:
    await lab.serve(dict.fromkeys(HOSTNAMES, "dep-blue"), both(blue, green))

    async with traffic(lab, HOSTNAMES, clients=2) as answers:
        for number in range(20):
            target = "dep-green" if number % 2 else "dep-blue"
            # The other deployment is not routed in between: it goes and comes back with everything that belongs to it.
            await lab.serve(dict.fromkeys(HOSTNAMES, target), both(blue, green))
            await answered(answers, 10)

    assert set(answers) == {"200 blue", "200 green"}


async def test_what_envoy_acknowledged_is_what_the_next_request_gets(lab: Lab, blue: Backend, green: Backend) -> None:
    for number in range(20):
        name = "green" if number % 2 else "blue"

        await lab.serve(dict.fromkeys(HOSTNAMES, f"dep-{name}"), both(blue, green))

        assert (await lab.get(HOSTNAMES[number])).text == name


async def test_a_new_deployment_and_the_move_to_it_fit_in_one_revision(lab: Lab, blue: Backend) -> None:
    await lab.serve({"app.example.com": "dep-blue"}, {"dep-blue": [blue.address]})

    async with traffic(lab, ["app.example.com"], clients=2) as answers:
        for number in range(8):
            async with running_backend(f"new-{number}") as new:
                id = f"dep-new-{number}"
                await lab.serve({"app.example.com": id}, {id: [new.address]})
                await answered(answers, 20)
                await lab.serve({"app.example.com": "dep-blue"}, {"dep-blue": [blue.address]})
                await answered(answers, 20)

    assert set(answers) == {"200 blue"} | {f"200 new-{number}" for number in range(8)}


async def test_instances_come_and_go_without_a_failing_request(lab: Lab, blue: Backend, green: Backend) -> None:
    await lab.serve({"app.example.com": "dep"}, {"dep": [blue.address]})

    async with traffic(lab, ["app.example.com"], clients=2) as answers:
        for addresses in ([blue.address, green.address], [green.address], [blue.address]):
            await answered(answers, 10)
            await lab.serve({"app.example.com": "dep"}, {"dep": addresses})
        await answered(answers, 10)

    assert set(answers) == {"200 blue", "200 green"}


async def test_an_event_stream_survives_the_move_of_its_hostname(lab: Lab, blue: Backend, green: Backend) -> None:
    await lab.serve({"app.example.com": "dep-blue"}, both(blue, green))
    url = f"http://127.0.0.1:{lab.settings.gateway.port}/events"

    async with lab.http.stream("GET", url, headers={"Host": "app.example.com"}) as stream:
        events = stream.aiter_lines()
        before = await anext(events)
        await lab.serve({"app.example.com": "dep-green"}, {"dep-green": [green.address]})
        after = [await anext(events) for _ in range(10)]

    assert {before, *after} == {"data: blue", ""}
    assert (await lab.get("app.example.com")).text == "green"


async def test_a_websocket_survives_the_move_of_its_hostname(lab: Lab, blue: Backend, green: Backend) -> None:
    await lab.serve({"app.example.com": "dep-blue"}, both(blue, green))
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.settings.gateway.port)
    writer.write(
        b"GET /socket HTTP/1.1\r\nHost: app.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    await lab.serve({"app.example.com": "dep-green"}, {"dep-green": [green.address]})
    writer.write(b"still there?")
    echo = await asyncio.wait_for(reader.read(1024), 5)
    writer.close()
    await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 101 ")
    assert echo == b"blue:still there?"
    assert (await lab.get("app.example.com")).text == "green"
