"""docker-compose.yml, started for real: what its comments and docs/guide/server.md promise of one host."""

import asyncio
import contextlib
from array import array
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import httpx
import pytest

from services.ctrl.enums import STICKY, status_of
from services.domain.errors import Unavailable
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.compose.host import PARTS, Host
from tests.end_to_end.stack import ENDED, eventually
from tests.git_repository import Repository, git_server
from tests.krane.docker_image import ensure_image

# The first test waits for the images as well, of which CI has none.
pytestmark = pytest.mark.timeout(300)
LISTEN = "0A"
USER = 10001


@pytest.fixture(scope="session")
async def image(docker_socket: Path) -> str:
    """The test app."""
    return await asyncio.to_thread(ensure_image, docker_socket)


async def deploy(host: Host, request: pb.CreateDeploymentRequest) -> pb.Deployment:
    """Deploy, and wait for the end."""
    async with host.control() as control:

        async def record() -> pb.Deployment | None:
            # krane is asked what an image is; while it is being started again, nothing is recorded.
            with contextlib.suppress(Unavailable):
                return await control.create_deployment(request)
            return None

        created = await eventually(record, "a deployment to be recorded", timeout=60)

        async def ended() -> pb.Deployment | None:
            found = await control.get_deployment(created.id)
            return found if status_of(found) in ENDED else None

        return await eventually(ended, f"deployment {created.id} to end", timeout=60)


async def deploy_and_ask(host: Host, project: str, image: str) -> None:
    """Deploy an image to production, and have its live hostname answer through the gateway."""
    request = pb.CreateDeploymentRequest(project=project, environment="production", image=image, branch="main")
    deployment = await deploy(host, request)
    assert status_of(deployment) == "ready", deployment
    async with host.control() as control:
        domains = (await control.list_domains(project)).domains
        hostname = next(domain.hostname for domain in domains if STICKY.decode(domain.sticky) == "live")
    answer = await host.get(hostname, "/context")
    assert answer.json()["environment"]["INTERLOCK_DEPLOYMENT_ID"] == deployment.id


async def test_an_image_is_deployed_and_answers_through_the_gateway(host: Host, image: str) -> None:
    host.cli("project", "create", "hello")

    await deploy_and_ask(host, "hello", image)

    assert "hello" in host.cli("status", "-p", "hello")


async def test_krane_fetches_from_git_and_can_use_ssh(host: Host, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "app")
    commit = repository.commit({"interlock.toml": "[start"})
    host.cli("project", "create", "fetched")

    with git_server(tmp_path) as server:
        source = pb.GitSource(url=f"{server.url}/app/.git", ref="main")
        deployment = await deploy(host, pb.CreateDeploymentRequest(project="fetched", git=source))

    # The interlock.toml cannot be read: the source was fetched, and looked into.
    assert (status_of(deployment), deployment.failure.step, deployment.commit) == ("failed", "build", commit)
    assert "hostname git.example.com" in host.run_in("krane", "ssh", "-G", "git@git.example.com")


async def test_parts_that_die_are_started_again_and_deployments_go_on(host: Host, image: str) -> None:
    host.cli("project", "create", "after")
    died = {part: host.kill(part) for part in ("krane", "endpoint", "restate")}

    await deploy_and_ask(host, "after", image)

    assert all(host.pid(part) not in {0, pid} for part, pid in died.items())


async def test_every_part_listens_on_loopback_alone(host: Host) -> None:
    # The gateway is where the tests put it; the default is every address, for traffic alone.
    listening = {address for part in PARTS for address in listening_addresses(host.pid(part))}

    assert {port for _, port in listening} == set(host.ports.values())
    assert {address for address, _ in listening} == {"127.0.0.1"}


async def test_no_part_is_root_or_may_become_it(host: Host) -> None:
    for part in PARTS:
        status = process_status(host.pid(part))

        assert set(status["Uid"].split()) == {str(USER)}, part
        assert int(status["CapBnd"], 16) == 0, part
        assert status["NoNewPrivs"] == "1", part


async def test_the_endpoint_obeys_restate_alone(host: Host) -> None:
    url = f"http://127.0.0.1:{host.ports['INTERLOCK_ENDPOINT__PORT']}/invoke/hydra.v1.RoutingService/AssignDomains"

    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(url, headers={"content-type": "application/vnd.restate.invocation.v5"})

    assert answer.status_code == 401


def process_status(pid: int) -> dict[str, str]:
    """What the kernel says about a process, by field."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def listening_addresses(pid: int) -> set[tuple[str, int]]:
    """The addresses and ports at which a process listens; IPv4 that an IPv6 socket serves counts as IPv4."""
    links = (str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    tables = (Path(f"/proc/{pid}/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6"))
    rows = (line.split() for table in tables for line in table)
    return {_address(row[1]) for row in rows if row[3] == LISTEN and row[9] in inodes}


def _address(text: str) -> tuple[str, int]:
    digits, _, port = text.partition(":")
    # Words of 32 bits, in the order of this machine.
    words = array("I", bytes.fromhex(digits))
    words.byteswap()
    address = ip_address(words.tobytes())
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address), int(port, 16)
