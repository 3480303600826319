"""The containers behind instances: their limits, ports and names, and what happens when somebody meddles with them."""

import socket
from pathlib import Path

import pytest

from services.domain.errors import Conflict, Invalid
from services.krane.backend import Backend
from services.krane.backends.docker.containers import Containers
from services.krane.backends.docker.driver import make_record
from services.krane.backends.docker.engine import Engine
from services.krane.backends.docker.images import find_image
from services.krane.backends.opening import open_backend
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.shared.folders import Folders
from services.krane.types import WorkloadStatus
from tests.krane.docker.support import call, container, containers
from tests.krane.installation import DockerKind, Krane, serving
from tests.krane.support import NAMESPACE, ask, healthy, instance_when, spec, tell, until, with_run


async def test_limits_and_labels_are_those_that_were_asked_for(krane: Krane) -> None:
    wanted = with_run(spec("limits-1", krane.image, memory_mib=96), cpu_millicores=500)
    await krane.client.create(wanted)

    made = await container(krane.kind, "limits-1-0")

    host, labels = made["HostConfig"], made["Config"]["Labels"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (96 << 20, 96 << 20, 500_000_000)
    assert (host["PidsLimit"], host["CapDrop"], host["SecurityOpt"]) == (512, ["ALL"], ["no-new-privileges"])
    assert (host["Init"], host["RestartPolicy"]["Name"], host["Privileged"]) == (True, "no", False)
    assert host["LogConfig"]["Config"] == {"max-size": "2097152", "max-file": "3"}
    assert labels["app.kubernetes.io/managed-by"] == "interlock"
    assert labels["app.kubernetes.io/instance"] == labels["interlock.instance-id"] == "limits-1-0"
    assert (labels["interlock.namespace"], labels["interlock.deployment-id"]) == (NAMESPACE, "limits-1")
    await krane.client.delete(NAMESPACE, "limits-1")


async def test_instance_is_published_on_loopback_alone_and_told_its_port(krane: Krane) -> None:
    await krane.create("local-1")
    instance = await healthy(krane.client, "local-1")

    made = await container(krane.kind, "local-1-0")
    environment = (await ask(instance, "/context")).json()["environment"]

    host, port = instance.address.split(":")
    assert made["NetworkSettings"]["Ports"] == {"8080/tcp": [{"HostIp": host, "HostPort": port}]}
    assert host == "127.0.0.1"
    assert (environment["PORT"], environment["INTERLOCK_INSTANCE_ID"]) == ("8080", "local-1-0")
    assert not {name for name in environment if name.startswith("INTERLOCK_DATA")}
    await krane.client.delete(NAMESPACE, "local-1")


async def test_instance_keeps_its_port_when_it_is_started_again(krane: Krane) -> None:
    await krane.create("steady-1")
    first = await healthy(krane.client, "steady-1")

    await tell(first, "/exit?code=1")
    restarted = await instance_when(krane.client, "steady-1", lambda i: i.healthy and i.restarts == 1)
    await krane.client.stop(NAMESPACE, "steady-1")
    await krane.client.start(NAMESPACE, "steady-1")

    assert restarted.address == first.address
    assert (await healthy(krane.client, "steady-1")).address == first.address
    await krane.client.delete(NAMESPACE, "steady-1")


async def test_instance_whose_port_was_taken_meanwhile_gets_another(krane: Krane) -> None:
    await krane.create("moved-on-1")
    await krane.client.stop(NAMESPACE, "moved-on-1")
    bindings = (await container(krane.kind, "moved-on-1-0"))["HostConfig"]["PortBindings"]
    port = int(bindings["8080/tcp"][0]["HostPort"])

    with socket.create_server(("127.0.0.1", port)):
        await krane.client.start(NAMESPACE, "moved-on-1")
        instance = await instance_when(krane.client, "moved-on-1", lambda i: i.address != "")

    assert instance.address != f"127.0.0.1:{port}"
    assert len(await containers(krane.kind, "moved-on-1-0")) == 1
    await krane.client.delete(NAMESPACE, "moved-on-1")


async def test_delete_leaves_neither_container_nor_volume(krane: Krane) -> None:
    await krane.create("clean-1", replicas=2)
    await healthy(krane.client, "clean-1")
    (mount,) = (await container(krane.kind, "clean-1-0"))["Mounts"]

    await krane.client.delete(NAMESPACE, "clean-1")

    left = [volume["Name"] for volume in (await call(krane.kind, "GET", "/volumes"))["Volumes"] or []]
    assert await containers(krane.kind, "clean-1-0") == await containers(krane.kind, "clean-1-1") == []
    assert mount["Name"] not in left


async def test_container_that_was_removed_by_hand_is_made_again(krane: Krane) -> None:
    await krane.client.create(spec("robbed-1", krane.image), {"TOKEN": "secret-4711"})
    await healthy(krane.client, "robbed-1")
    made = await container(krane.kind, "robbed-1-0")
    assert "secret-4711" not in str(made["Config"]["Labels"])

    await call(krane.kind, "DELETE", f"/containers/{made['Id']}", force="true", v="true")
    instance = await instance_when(krane.client, "robbed-1", lambda i: i.healthy and i.restarts == 1)

    assert (await container(krane.kind, "robbed-1-0"))["Id"] != made["Id"]
    assert (await ask(instance, "/context")).json()["environment"]["TOKEN"] == "secret-4711"
    await krane.client.delete(NAMESPACE, "robbed-1")


async def test_two_installations_on_one_engine_do_not_see_each_other(
    krane: Krane, docker_kind: DockerKind, tmp_path: Path
) -> None:
    await krane.create("shared-1")
    async with serving(docker_kind, tmp_path) as other:
        assert await other.client.list() == ()
        await other.create("shared-1")
        assert len(await containers(krane.kind, "shared-1-0")) == 2
        await other.client.delete(NAMESPACE, "shared-1")

    assert len(await containers(krane.kind, "shared-1-0")) == 1
    await krane.client.delete(NAMESPACE, "shared-1")


async def test_create_that_was_cut_off_is_finished_by_the_next_krane(docker_kind: DockerKind, tmp_path: Path) -> None:
    wanted = spec("half-1", await docker_kind.image(), replicas=2)
    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await backend.deployments.create(wanted, {})
        await until(lambda: _is_running(backend, "half-1"))
    await _remove(docker_kind, "half-1-1")

    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await until(lambda: _is_running(backend, "half-1"))
        await backend.deployments.delete(NAMESPACE, "half-1")

    assert await containers(docker_kind, "half-1-0") == await containers(docker_kind, "half-1-1") == []


async def test_create_whose_answer_was_lost_is_finished_by_the_same_and_removed_by_delete(
    docker_kind: DockerKind, tmp_path: Path
) -> None:
    wanted = spec("lost-1", await docker_kind.image())
    engine = Engine(docker_kind.settings.docker_socket)
    image = await find_image(engine, wanted.image)
    record = make_record(wanted, image)
    lost = Containers(engine, Folders.under(tmp_path))
    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await lost.create(record, 0)
        with pytest.raises(Conflict, match="delete it first"):
            await backend.deployments.create(with_run(wanted, replicas=2), {})
        await backend.deployments.delete(NAMESPACE, "lost-1")
        assert await lost.all() == []

        made = await lost.create(record, 0)
        await backend.deployments.create(wanted, {})
        assert [container.id for container in await lost.all()] == [made.id]
        await backend.deployments.delete(NAMESPACE, "lost-1")
    await engine.close()


async def test_delete_that_was_cut_off_is_finished_by_the_next_krane(docker_kind: DockerKind, tmp_path: Path) -> None:
    wanted = spec("fading-1", await docker_kind.image(), replicas=2)
    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await backend.deployments.create(wanted, {})
        await until(lambda: _is_running(backend, "fading-1"))
    first = await container(docker_kind, "fading-1-0")
    await call(docker_kind, "POST", f"/containers/{first['Id']}/rename", name=f"{first['Name'][1:]}.deleted")
    await _remove(docker_kind, "fading-1-1")

    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await until(lambda: _is_unknown(backend, "fading-1"))

    assert await containers(docker_kind, "fading-1-0") == await containers(docker_kind, "fading-1-1") == []


async def test_deployment_is_found_again_when_kranes_folder_was_lost(docker_kind: DockerKind, tmp_path: Path) -> None:
    wanted = spec("kept-2", await docker_kind.image())
    async with open_backend(tmp_path, docker_kind.settings) as backend:
        await backend.deployments.create(wanted, {})
        await until(lambda: _is_running(backend, "kept-2"))
    remove_tree(tmp_path / "krane")

    async with open_backend(tmp_path, docker_kind.settings) as backend:
        assert await backend.deployments.create(wanted, {}) is WorkloadStatus.RUNNING
        with pytest.raises(Conflict, match="kept-2"):
            await backend.deployments.create(with_run(wanted, replicas=2), {})
        await backend.deployments.delete(NAMESPACE, "kept-2")


async def test_log_outlives_the_rotation_of_its_files(krane: Krane) -> None:
    await krane.create("chatty-1")
    instance = await healthy(krane.client, "chatty-1")
    await ask(instance, "/print?lines=20000")

    async def printed() -> bool:
        lines = await krane.client.logs(NAMESPACE, "chatty-1", tail_lines=2)
        return [line.text.split(".")[0] for line in lines] == ["line 19998 ", "line 19999 "]

    await until(printed)
    many = await krane.client.logs(NAMESPACE, "chatty-1", instance_id="chatty-1-0", tail_lines=8000)
    assert [int(line.text.split()[1]) for line in many] == list(range(12000, 20000))
    await krane.client.delete(NAMESPACE, "chatty-1")


async def test_limits_that_the_machine_cannot_give_are_refused_and_leave_nothing(krane: Krane) -> None:
    with pytest.raises(Invalid, match="CPUs"):
        await krane.client.create(with_run(spec("mighty-1", krane.image), cpu_millicores=64_000))

    assert await krane.client.get(NAMESPACE, "mighty-1") is None
    assert await containers(krane.kind, "mighty-1-0") == []


async def _is_running(backend: Backend, deployment_id: str) -> bool:
    return all(instance.healthy for instance in (await backend.deployments.get(NAMESPACE, deployment_id)).instances)


async def _is_unknown(backend: Backend, deployment_id: str) -> bool:
    return deployment_id not in [state.deployment_id for state in await backend.deployments.list("")]


async def _remove(kind: DockerKind, instance_id: str) -> None:
    made = await container(kind, instance_id)
    await call(kind, "DELETE", f"/containers/{made['Id']}", force="true", v="true")
