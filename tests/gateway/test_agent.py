"""The agent as a process: what it survives, and what survives it."""

import asyncio
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from sqlalchemy import delete, update

from services.db.gateways import list_gateways
from services.db.tables import GatewayConfig, RoutingRevision
from services.domain.errors import Invalid, Unavailable
from tests.gateway.backend import Backend
from tests.gateway.lab import (
    DEADLINE,
    Lab,
    bare_lab,
    eventually,
    free_ports,
    lab_settings,
    running_agent_process,
    running_envoy,
    stop_process,
)
from tests.gateway.traffic import answered, traffic

pytestmark = pytest.mark.envoy

HOSTNAME = "app.example.com"
AT_ONCE = timedelta(0)


async def test_syncing_twice_gives_the_same_answer(lab: Lab, blue: Backend) -> None:
    revision = await lab.routes.write({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    first, second = await lab.sync(revision), await lab.sync(revision)

    assert first == second
    assert (first.gateway_id, first.acknowledged_revision, first.rejection) == (lab.settings.gateway.id, revision, "")


async def test_a_revision_that_changes_nothing_is_acknowledged_at_once(lab: Lab, blue: Backend) -> None:
    before = await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    after = await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    assert after == before + 1


async def test_concurrent_syncs_all_hear_of_the_newest_revision(lab: Lab, blue: Backend) -> None:
    revisions = [
        await lab.routes.write({HOSTNAME: id}, {id: [blue.address]}) for id in ("dep-a", "dep-b", "dep-c", "dep-d")
    ]

    results = await asyncio.gather(*(lab.sync(revision) for revision in revisions))

    assert all(result.acknowledged_revision >= revision for result, revision in zip(results, revisions, strict=True)), (
        results
    )


async def test_routes_arrive_without_anyone_asking_for_a_sync(lab: Lab, blue: Backend) -> None:
    revision = await lab.routes.write({"polled.example.com": "dep-blue"}, {"dep-blue": [blue.address]})

    async def recorded() -> bool:
        async with lab.database.read() as session:
            return [row.acknowledged_revision for row in await list_gateways(session)] == [revision]

    await eventually(recorded, "the database knows what the gateway acknowledged")
    assert (await lab.get("polled.example.com")).text == "blue"
    async with lab.database.read() as session:
        rows = [(row.id, row.agent_address) for row in await list_gateways(session)]
    assert rows == [(lab.settings.gateway.id, lab.settings.gateway.agent_address)]


async def test_the_snapshot_shows_what_the_gateway_serves(lab: Lab, blue: Backend) -> None:
    revision = await lab.serve({HOSTNAME: "dep-blue", "b.example.com": "empty"}, {"dep-blue": [blue.address]})

    snapshot = await lab.client.snapshot(lab.settings.gateway.agent_address)

    assert (snapshot.gateway_id, snapshot.acknowledged_revision) == (lab.settings.gateway.id, revision)
    assert snapshot.table.revision == revision
    assert {route.hostname: route.deployment_id for route in snapshot.table.routes} == {
        HOSTNAME: "dep-blue",
        "b.example.com": "empty",
    }
    assert snapshot.table.addresses == {"dep-blue": (blue.address,), "empty": ()}


async def test_a_route_that_breaks_a_rule_is_reported_and_changes_nothing(lab: Lab, blue: Backend) -> None:
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

    bad = await lab.routes.write({HOSTNAME: "dep-bad"}, {"dep-bad": ["not-an-address:80"]})
    result = await lab.sync(bad)

    assert result.acknowledged_revision < bad
    assert "'not-an-address:80'" in result.rejection
    assert (await lab.get(HOSTNAME)).text == "blue"
    await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})


async def test_a_sync_that_cannot_be_meant_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="5000 ms at most"):
        await lab.sync(0, timedelta(minutes=1))
    with pytest.raises(Invalid, match="negative"):
        await lab.sync(-1)
    with pytest.raises(Invalid, match="'unix:/tmp/socket'"):
        await lab.client.sync("unix:/tmp/socket", 0, AT_ONCE)


async def test_an_agent_that_is_not_there_is_weather(lab: Lab) -> None:
    with pytest.raises(Unavailable, match="cannot sync the gateway"):
        await lab.client.sync(f"127.0.0.1:{free_ports(1)[0]}", 0, AT_ONCE)


async def test_the_agent_tells_its_health(lab: Lab) -> None:
    async with grpc.aio.insecure_channel(lab.settings.gateway.agent_address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest(service="gateway.v1.GatewayService"), timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_second_agent_for_one_gateway_does_not_start(lab: Lab) -> None:
    async with running_agent_process(lab.settings) as second:
        assert await asyncio.wait_for(second.wait(), DEADLINE.total_seconds()) == 1

    assert f"cannot start an agent for gateway '{lab.settings.gateway.id}': process" in lab.agent_log()


async def test_a_killed_agent_costs_no_request_and_its_successor_catches_up(
    tmp_path: Path, blue: Backend, green: Backend
) -> None:
    settings = lab_settings(tmp_path)
    instances = {"dep-blue": [blue.address], "dep-green": [green.address]}
    async with bare_lab(settings) as lab, running_agent_process(settings) as agent, running_envoy(settings):
        await lab.synced(0)
        await lab.serve({HOSTNAME: "dep-blue", "other.example.com": "dep-blue"}, instances)

        async with traffic(lab, [HOSTNAME], clients=2) as answers:
            await stop_process(agent, signal.SIGKILL)
            revision = await lab.routes.write({HOSTNAME: "dep-green"}, instances)
            await answered(answers, 50)
            assert set(answers) == {"200 blue"}

            async with running_agent_process(settings):
                await lab.synced(revision)
                await answered(answers, 50)
                assert answers[-1] == "200 green"
                assert (await lab.get("other.example.com")).status_code == 404
                await lab.serve({HOSTNAME: "dep-blue"}, instances)
                await answered(answers, 50)

    assert set(answers) == {"200 blue", "200 green"}


async def test_without_envoy_nothing_is_acknowledged_and_a_new_one_converges(tmp_path: Path, blue: Backend) -> None:
    settings = lab_settings(tmp_path)
    async with bare_lab(settings) as lab, running_agent_process(settings):
        async with running_envoy(settings):
            await lab.synced(0)
            revision = await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})

        async def nothing_acknowledged() -> bool:
            return (await lab.sync(revision, AT_ONCE)).acknowledged_revision == 0

        await eventually(nothing_acknowledged, "the agent noticed that Envoy is gone")

        async with running_envoy(settings):
            await lab.synced(revision)
            assert (await lab.get(HOSTNAME)).text == "blue"


async def test_the_last_good_routes_are_served_while_the_database_is_away(tmp_path: Path, blue: Backend) -> None:
    here, away = tmp_path / "database", tmp_path / "away"
    here.mkdir()
    settings = lab_settings(tmp_path, database_url=f"sqlite+aiosqlite:///{here / 'interlock.db'}")
    async with bare_lab(settings) as lab:
        async with running_agent_process(settings), running_envoy(settings):
            await lab.synced(0)
            revision = await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})
        await lab.database.close()
        shutil.move(here, away)

        async with running_agent_process(settings), running_envoy(settings):
            await lab.synced(revision)
            assert (await lab.get(HOSTNAME)).text == "blue"
            with pytest.raises(Unavailable, match="database"):
                await lab.sync(revision + 1, AT_ONCE)

            shutil.move(away, here)
            await lab.serve({HOSTNAME: "empty"}, {})
            assert (await lab.get(HOSTNAME)).status_code == 503

            async def following() -> bool:
                return "following the database again" in lab.agent_log()

            await eventually(following, "the agent says that the database is back")
        assert lab.agent_log().count("cannot follow the database") == 1


async def test_a_database_that_went_back_in_time_changes_nothing(lab: Lab, blue: Backend) -> None:
    revision = await lab.serve({HOSTNAME: "dep-blue"}, {"dep-blue": [blue.address]})
    async with lab.database.write() as session:
        await session.execute(delete(GatewayConfig))
        await session.execute(update(RoutingRevision).values(revision=revision - 1))

    assert (await lab.sync(revision)).acknowledged_revision == revision
    with pytest.raises(Unavailable, match=rf"behind {revision} .* remove its snapshot\.json"):
        await lab.sync(revision + 1, AT_ONCE)
    assert (await lab.get(HOSTNAME)).text == "blue"

    async with lab.database.write() as session:
        await session.execute(update(RoutingRevision).values(revision=revision))
