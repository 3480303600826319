"""What instances are given in their environment, and where its values are and are not."""

import signal
from pathlib import Path

import pytest

from services.domain.errors import Conflict, Invalid
from services.krane.client import KraneClient
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Kind, Krane, krane_process
from tests.krane.support import NAMESPACE, ask, healthy, instance_when, spec, tell

SECRET = "not-for-everybody-4711"


async def environment_of(client: KraneClient, deployment_id: str) -> dict[str, str]:
    context = (await ask(await healthy(client, deployment_id), "/context")).json()
    environment: dict[str, str] = context["environment"]
    return environment


def holders_of_the_secret(folder: Path) -> list[Path]:
    return [f for f in folder.rglob("*") if f.is_file() and SECRET in f.read_text(errors="replace")]


def arguments_of(pids: set[int]) -> str:
    return "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)


async def test_an_instance_finds_what_it_was_given_and_krane_answers_for_the_rest(krane: Krane) -> None:
    given = {"TOKEN": SECRET, "KEY": "two\nlines", "LANG": "de_DE.UTF-8"}
    await krane.client.create(spec("given-1", krane.image), given)

    environment = await environment_of(krane.client, "given-1")

    assert environment | given == environment
    assert environment["INTERLOCK_DEPLOYMENT_ID"] == "given-1"
    await krane.client.delete(NAMESPACE, "given-1")


async def test_the_same_environment_again_is_the_same_deployment_and_another_one_is_a_conflict(krane: Krane) -> None:
    wanted = spec("given-2", krane.image)
    await krane.client.create(wanted, {"A": "1", "TOKEN": SECRET})
    first = await healthy(krane.client, "given-2")

    await krane.client.create(wanted, {"TOKEN": SECRET, "A": "1"})
    with pytest.raises(Conflict) as refused:
        await krane.client.create(wanted, {"TOKEN": f"{SECRET}!", "A": "1"})

    assert (await healthy(krane.client, "given-2")).address == first.address
    assert SECRET not in refused.value.message
    await krane.client.delete(NAMESPACE, "given-2")


@pytest.mark.parametrize("name", ["PORT", "HOST", "INTERLOCK_INSTANCE_ID", "9A", "A=B"])
async def test_names_that_are_kranes_own_or_no_names_are_refused(krane: Krane, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        await krane.client.create(spec("given-3", krane.image), {name: SECRET})

    assert SECRET not in refused.value.message
    assert await krane.client.get(NAMESPACE, "given-3") is None


@pytest.mark.needs(Needs.FILES)
async def test_values_are_in_files_of_their_owner_alone_and_in_no_log_and_no_argument(
    krane: Krane, capfd: pytest.CaptureFixture[str]
) -> None:
    await krane.client.create(spec("given-4", krane.image), {"TOKEN": SECRET})
    await healthy(krane.client, "given-4")

    folder = krane.data_dir / "krane" / "deployments" / "given-4"
    holders = holders_of_the_secret(krane.data_dir)
    assert holders
    assert [file for file in holders if not file.is_relative_to(folder)] == []
    assert {file.stat().st_mode & 0o777 for file in holders} == {0o600}
    assert (krane.data_dir / "krane").stat().st_mode & 0o777 == 0o700
    assert SECRET not in str(capfd.readouterr())
    assert [line for line in await krane.client.logs(NAMESPACE, "given-4") if SECRET in line.text] == []
    assert SECRET not in arguments_of(krane.processes("given-4"))
    await krane.client.delete(NAMESPACE, "given-4")
    assert holders_of_the_secret(krane.data_dir) == []


@pytest.mark.needs(Needs.RESTARTS)
async def test_the_next_krane_starts_a_crashed_instance_with_the_same_environment(
    kind: Kind, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with krane_process(kind, tmp_path, unused_tcp_port) as (process, client):
        await client.create(spec("given-5", await kind.image(client)), {"TOKEN": SECRET})
        await healthy(client, "given-5")

        await process.end(signal.SIGKILL)
        await process.start()
        await tell(await healthy(client, "given-5"), "/exit?code=1")
        await instance_when(client, "given-5", lambda i: i.healthy and i.restarts == 1)

        assert (await environment_of(client, "given-5"))["TOKEN"] == SECRET
