"""Sources and images go when nobody needs them, and never while somebody may."""

from datetime import timedelta

import pytest

from services.domain.errors import Invalid, PreconditionFailed
from services.krane.types import BuildStatus
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, build, build_ended, in_chunks, pack, spec

pytestmark = pytest.mark.needs(Needs.BUILDS)

NOW = timedelta(0)
HOUR = timedelta(hours=1)


def app(marker: str) -> bytes:
    return pack({"Procfile": "web: python3 -m http.server $PORT --bind 127.0.0.1", "marker": marker})


async def made(krane: Krane, name: str, archive: bytes = b"") -> tuple[str, str]:
    """A source and the image that it became."""
    archive = archive or app(name)
    source = (await krane.client.upload_source(in_chunks(archive))).source
    built = await build(krane.client, name, archive)
    assert built.status is BuildStatus.SUCCEEDED, built
    return source, built.image


async def is_there(krane: Krane, reference: str) -> bool:
    kind, _, digest = reference.partition("@sha256:")
    if kind == "source":
        return (krane.data_dir / "krane" / "sources" / f"{digest}.tar.gz").exists()
    return reference in await krane.kind.images(krane.data_dir)


async def test_what_nobody_needs_is_removed_and_what_is_kept_stays(krane: Krane) -> None:
    source, image = await made(krane, "unneeded")
    kept_source, kept_image = await made(krane, "kept")

    removed = await krane.client.prune_images([kept_source, krane.image], NOW)

    assert {source, image} <= set(removed)
    assert not await is_there(krane, source)
    assert not await is_there(krane, image)
    # A source keeps the image that it becomes.
    assert await is_there(krane, kept_source)
    assert await is_there(krane, kept_image)
    with pytest.raises(PreconditionFailed, match="build it again"):
        await krane.client.create(spec("ok-pruned", image))


async def test_it_stays_until_it_was_unneeded_for_long_enough(krane: Krane) -> None:
    source, image = await made(krane, "young")

    removed = await krane.client.prune_images([krane.image], HOUR)

    assert not {source, image} & set(removed)
    assert await is_there(krane, image)


async def test_an_image_that_a_deployment_runs_or_could_run_again_stays(krane: Krane) -> None:
    _, image = await made(krane, "running")
    await krane.client.create(spec("ok-keeps-its-image", image))
    await krane.client.stop(NAMESPACE, "ok-keeps-its-image")

    assert image not in await krane.client.prune_images([krane.image], NOW)
    assert await is_there(krane, image)

    await krane.client.delete(NAMESPACE, "ok-keeps-its-image")
    assert image in await krane.client.prune_images([krane.image], NOW)


async def test_what_a_build_works_on_stays(krane: Krane) -> None:
    archive = krane.kind.slow_source("pruned while it builds")
    source = (await krane.client.upload_source(in_chunks(archive))).source
    await krane.client.start_build(NAMESPACE, "prune-build", source)

    assert source not in await krane.client.prune_images([krane.image], NOW)

    assert await is_there(krane, source)
    await krane.client.cancel_build(NAMESPACE, "prune-build")
    assert (await build_ended(krane.client, "prune-build")).status is BuildStatus.CANCELLED


async def test_what_was_removed_can_be_uploaded_and_built_again(krane: Krane) -> None:
    # Packed once: the time of packing is part of an archive.
    archive = app("again")
    await made(krane, "again", archive)
    await krane.client.prune_images([krane.image], NOW)

    rebuilt = await build(krane.client, "again-rebuilt", archive)

    assert rebuilt.status is BuildStatus.SUCCEEDED
    assert not rebuilt.cached


async def test_a_keep_list_that_cannot_be_meant_removes_nothing(krane: Krane) -> None:
    source, _ = await made(krane, "safe")

    for reference in ("", "artifact", "artifact@sha256:../../etc", "../image"):
        with pytest.raises(Invalid, match="names n"):
            await krane.client.prune_images([reference], NOW)

    assert await is_there(krane, source)
