from datetime import timedelta

import pytest

from services.domain.errors import DeadlineExceeded, Invalid, NotFound, Unavailable
from services.durable.client import RestateClient, check_invocation_id
from services.durable.serde import read_message
from services.gen.hydra.v1 import deployment_pb2 as pb
from tests.durable.conftest import TIMEOUT, Run
from tests.durable.sample import REQUEST, SAGA
from tests.restate_server import free_port

UNKNOWN = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"


@pytest.mark.parametrize("value", ["", "inv_", "inv_1'; drop table", "../inv_1234567890", "d_1", "inv_" + "x" * 61])
def test_what_is_no_invocation_id_is_refused_before_it_is_sent(value: str) -> None:
    with pytest.raises(Invalid, match="not an invocation id"):
        check_invocation_id(value)


@pytest.mark.restate
async def test_a_call_waits_for_its_answer(run: Run) -> None:
    answer = await run.client.call(SAGA, run.key, "Deploy", REQUEST, timeout=TIMEOUT)

    assert read_message(pb.DeployResponse, answer).status == "ready"


@pytest.mark.restate
async def test_a_call_under_the_same_idempotency_key_is_the_same_call(run: Run) -> None:
    sent = [await run.client.send(SAGA, run.key, "Deploy", REQUEST, idempotency_key="key-1") for _ in range(2)]
    await run.result(sent[0])

    found = await run.client.find_repeat(SAGA, run.key, "Deploy", "key-1")

    assert sent[0] == sent[1]
    assert found is not None
    assert (found.id, found.key, found.handler) == (sent[0], run.key, "Deploy")
    assert run.notes.log().count("create begins") == 1


@pytest.mark.restate
async def test_an_expired_wait_leaves_the_operation_running(run: Run) -> None:
    run.notes.tell("hold", "create")
    invocation_id = await run.send()

    with pytest.raises(DeadlineExceeded, match="continues"):
        await run.client.attach(invocation_id, timeout=timedelta(milliseconds=200))

    run.notes.release("create")
    assert b"ready" in await run.result(invocation_id)


@pytest.mark.restate
async def test_an_invocation_can_be_looked_up_while_it_runs_and_after(run: Run) -> None:
    run.notes.tell("hold", "create")
    invocation_id = await run.send()
    await run.notes.reaches("create begins")

    running = await run.client.find_invocation(invocation_id)
    run.notes.release("create")
    await run.result(invocation_id)
    ended = await run.client.find_invocation(invocation_id)

    assert running is not None
    assert ended is not None
    assert (running.handler, running.result) == ("Deploy", "")
    assert (ended.status, ended.result) == ("completed", "success")


@pytest.mark.restate
async def test_cancelling_what_has_ended_or_never_was_says_so(run: Run) -> None:
    invocation_id = await run.send()
    await run.result(invocation_id)

    assert not await run.client.cancel(invocation_id)
    assert not await run.client.cancel(UNKNOWN)
    assert await run.client.find_invocation(UNKNOWN) is None


@pytest.mark.restate
async def test_an_unknown_service_is_not_found(run: Run) -> None:
    with pytest.raises(NotFound):
        await run.client.call("tests.Missing", run.key, "Deploy", REQUEST, timeout=TIMEOUT)


async def test_a_restate_that_is_away_is_weather() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    async with RestateClient(nowhere, nowhere) as client:
        with pytest.raises(Unavailable, match="does not answer"):
            await client.send(SAGA, "p_1", "Deploy", REQUEST)
        with pytest.raises(Unavailable, match="does not answer"):
            await client.cancel(UNKNOWN)
