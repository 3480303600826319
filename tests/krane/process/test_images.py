"""What only the process backend promises of its images."""

import stat

import pytest

from services.domain.errors import Invalid, PreconditionFailed
from services.krane.types import BuildStatus
from tests.krane.installation import Krane
from tests.krane.support import NAMESPACE, build, pack

START = '[start]\ncommand = ["python", "app.py"]\n'


async def test_image_is_read_only_and_compiled(krane: Krane) -> None:
    built = await build(krane.client, "frozen", pack({"interlock.toml": START, "app.py": "", "lib/helper.py": "x = 1"}))

    image = krane.data_dir / "krane" / "artifacts" / built.image.rpartition(":")[2]
    paths = [image / "app", *(image / "app").rglob("*"), *(image / "venv" / "lib").rglob("*")]
    assert [p for p in paths if not p.is_symlink() and p.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP)] == []
    assert list(image.glob("app/lib/__pycache__/helper.*.pyc"))


async def test_start_command_that_is_not_there_fails_the_build(krane: Krane) -> None:
    built = await build(krane.client, "no-program", pack({"Procfile": "web: gunicorn app"}))

    assert built.status is BuildStatus.FAILED
    assert built.error.startswith("the start command names 'gunicorn', which does not exist")


async def test_requirements_that_cannot_be_installed_fail_the_build(krane: Krane) -> None:
    built = await build(krane.client, "bad", pack({"interlock.toml": START, "requirements.txt": "./missing.whl"}))

    assert built.status is BuildStatus.FAILED
    assert built.error.startswith("requirements.txt could not be installed (exit code 1)")


async def test_a_port_that_only_containers_can_have_is_passed_over_with_a_word(krane: Krane) -> None:
    source = {"interlock.toml": '[start]\ncommand = ["python", "-m", "http.server", "$PORT"]\nport = 9000\n'}

    built = await build(krane.client, "port", pack(source))

    words = "port 9000 is for containers: a process finds its own port in PORT"
    assert words in built.log_lines


async def test_only_what_its_builds_made_means_something(krane: Krane) -> None:
    absent = krane.kind.absent_image

    assert await krane.client.resolve_image(NAMESPACE, krane.image) == krane.image
    with pytest.raises(PreconditionFailed, match=f"{absent} is not here: deploy its source again"):
        await krane.client.resolve_image(NAMESPACE, absent)
    with pytest.raises(PreconditionFailed, match=r"app:1 is in a registry.*INTERLOCK_KRANE__BACKEND=docker"):
        await krane.client.resolve_image(NAMESPACE, "ghcr.io/team/app:1")
    with pytest.raises(Invalid, match="not the name of a krane artifact"):
        await krane.client.resolve_image(NAMESPACE, f"sha256:{'0' * 64}")
