"""Bad sources, images and apps on the docker backend: one sentence, in bounded time, and nothing left on the engine."""

import asyncio
import gzip
import re
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.domain.errors import Invalid
from services.domain.readiness import InstanceStatus
from services.krane.backends.building.sources import SourceStore
from services.krane.types import InstanceReport
from tests.krane.docker.support import call, container, containers
from tests.krane.docker_image import import_image
from tests.krane.installation import Krane
from tests.krane.support import (
    NAMESPACE,
    build,
    entry,
    healthy,
    in_chunks,
    instance_when,
    pack_entries,
    spec,
)

MIB = 1024 * 1024
GIB = 1024 * MIB


async def volumes(krane: Krane) -> set[str]:
    """Every volume of the engine."""
    return {volume["Name"] for volume in (await call(krane.kind, "GET", "/volumes"))["Volumes"] or []}


async def removed(krane: Krane, deployment_id: str) -> None:
    """Delete a deployment, and check that the engine has nothing of it any more."""
    made: list[dict[str, Any]] = await containers(krane.kind, f"{deployment_id}-0")
    mounts = {mount["Name"] for one in made for mount in one["Mounts"]}
    await krane.client.delete(NAMESPACE, deployment_id)
    assert await containers(krane.kind, f"{deployment_id}-0") == []
    assert mounts.isdisjoint(await volumes(krane))


# -- sources ----------------------------------------------------------------------------------------------------------


async def test_upload_of_2_gb_is_refused_at_the_cap(tmp_path: Path) -> None:
    sources, largest = SourceStore(tmp_path, MIB), 0

    def written() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    async def zeros() -> AsyncIterator[bytes]:
        nonlocal largest
        for _ in range(2 * GIB // MIB):
            yield bytes(MIB)
            largest = max(largest, written())

    with pytest.raises(Invalid, match=f"larger than {MIB} bytes: leave out what the app does not need"):
        await sources.store(zeros())

    assert 0 < largest <= MIB
    assert sources.stored() == {}


async def test_a_client_that_sends_too_much_is_told_so(krane: Krane) -> None:
    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(MIB)

    # One that is answered while it sends may hear of an internal error instead, now and then.
    for _ in range(5):
        with pytest.raises(Invalid, match=f"larger than {MIB} bytes: leave out what the app does not need"):
            await krane.client.upload_source(zeros())


@pytest.mark.parametrize("files", [1, 2048])
async def test_archive_that_unpacks_to_2_gb_is_refused_without_being_unpacked(krane: Krane, files: int) -> None:
    sources = krane.data_dir / "krane" / "sources"
    before, began = sorted(sources.iterdir()), time.monotonic()
    size = 2 * GIB // files
    # Members of gzip one behind the other are one stream; the first few suffice to be over the cap.
    zeros = gzip.compress(bytes(min(size, 16 * MIB)))
    heads = (gzip.compress(entry(str(number), size=size).tobuf()) for number in range(min(files, 8)))

    with pytest.raises(Invalid, match=f"unpacks to more than {5 * MIB} bytes: leave out what the app does not need"):
        await krane.client.upload_source(in_chunks(b"".join(head + zeros for head in heads)))

    assert time.monotonic() - began < 5
    assert sorted(sources.iterdir()) == before


async def test_dockerfile_that_is_a_link_is_refused(krane: Krane) -> None:
    built = await build(krane.client, "linked", pack_entries([(entry("Dockerfile", tarfile.SYMTYPE, "other"), b"")]))

    assert built.error == "Dockerfile cannot be read: make it a regular file of at most 1048576 bytes"


# -- images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("absent-command", ['CMD ["/nope"]'], "it exited with code 127 before it was ever healthy"),
        ("not-a-program", ['CMD ["/app"]'], "it exited with code 127 before it was ever healthy"),
        ("absent-user", ['CMD ["/app"]', "USER nobody-knows"], "its image cannot be run: unable to find user"),
    ],
)
async def test_image_that_cannot_be_started_fails_at_once(
    krane: Krane, name: str, changes: list[str], reason: str
) -> None:
    tag = f"interlock-test-{name}:1"
    await asyncio.to_thread(import_image, krane.kind.settings.docker_socket, tag, changes, {"app": b"\x7fELF"})
    await krane.client.create(spec(name, tag))

    instance = await instance_when(krane.client, name, lambda one: one.status is InstanceStatus.FAILED)

    assert reason in instance.reason
    await removed(krane, name)
    await call(krane.kind, "DELETE", f"/images/{tag}")


# -- apps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("late", "it exited with code 4 before it was ever healthy"),
        ("bloated", "out of memory: it may use 64 MiB before it was ever healthy"),
    ],
)
async def test_app_that_ends_before_it_was_healthy_is_not_started_again(
    krane: Krane, behaviour: str, reason: str
) -> None:
    await krane.create(f"{behaviour}-1", memory_mib=64)

    instance = await instance_when(krane.client, f"{behaviour}-1", lambda one: one.status is InstanceStatus.FAILED)

    assert (instance.reason, instance.restarts) == (reason, 0)
    await removed(krane, f"{behaviour}-1")


async def test_app_that_ends_whenever_it_was_healthy_is_started_again_after_growing_pauses(krane: Krane) -> None:
    await krane.create("brief-1")

    pauses: list[float] = []

    def has_paused_long(instance: InstanceReport) -> bool:
        match = re.fullmatch(r"it exited with code 5; krane starts it again in ([0-9.]+) s", instance.reason)
        if match and float(match[1]) not in pauses:
            pauses.append(float(match[1]))
        return pauses[-1:] == [0.4]

    await instance_when(krane.client, "brief-1", has_paused_long)

    # A look in between may miss a short one.
    assert {*pauses} <= {0.1, 0.2, 0.4}
    assert len(pauses) > 1
    assert pauses == sorted(pauses)
    assert (await container(krane.kind, "brief-1-0"))["State"]["Running"] is False
    await removed(krane, "brief-1")


async def test_app_that_takes_its_time_becomes_healthy(krane: Krane) -> None:
    await krane.create("slow-1")

    early = await instance_when(krane.client, "slow-1", lambda one: one.reason.startswith("nothing listens on port"))
    late = await healthy(krane.client, "slow-1")

    assert (early.healthy, late.restarts) == (False, 0)
    await removed(krane, "slow-1")
