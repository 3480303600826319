"""Commits fetched over ssh, from a real sshd."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.krane.backends.git import environment
from services.krane.backends.shared.folders import Folders
from services.krane.client import KraneClient
from services.krane.server import running
from services.krane.types import BuildState, BuildStatus
from tests.git_repository import Repository
from tests.krane.installation import ProcessKind
from tests.krane.support import assert_no_fetch_is_left, build_from_git
from tests.ssh_server import SshServer, make_key


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("ssh") / "app")
    made.commit({"app.py": "print(1)"})
    made.commit({"app.py": "print(2)"})
    return made


@pytest.fixture
async def client(process_kind: ProcessKind, ssh_server: SshServer, tmp_path: Path) -> AsyncIterator[KraneClient]:
    """A krane that shows the key which the server knows, and has not seen the server yet."""
    async with showing(ssh_server.key, process_kind, tmp_path) as client:
        yield client


async def test_a_private_repository_is_read_with_the_key_of_krane(
    client: KraneClient, ssh_server: SshServer, repository: Repository, tmp_path: Path
) -> None:
    url, older = ssh_server.url(repository.folder), repository.git("rev-parse", "main^")

    with ssh_server.serving():
        branch = await build_from_git(client, "ssh-branch", url, "main")
        commit = await build_from_git(client, "ssh-commit", url, older)
        absent = await build_from_git(client, "ssh-absent", f"{url}-not", "main")

    # Nothing here says how it is started: each build ends once it was fetched.
    assert (branch.commit, commit.commit) == (repository.git("rev-parse", "main"), older)
    assert branch.source != commit.source != ""
    assert_denied(absent)
    for build_id in ("ssh-branch", "ssh-commit", "ssh-absent"):
        assert_no_fetch_is_left(tmp_path, build_id)


async def test_a_server_of_the_old_protocol_hands_out_what_refs_point_at(
    client: KraneClient, ssh_server: SshServer, repository: Repository
) -> None:
    url, newest = ssh_server.url(repository.folder), repository.git("rev-parse", "main")

    with ssh_server.serving(speaks_protocol_2=False):
        head = await build_from_git(client, "ssh-old-head", url, newest)
        inner = await build_from_git(client, "ssh-old-inner", url, repository.git("rev-parse", "main^"))

    assert head.commit == newest
    assert inner.status is BuildStatus.FAILED
    assert "push it, or name a branch or tag that points at it" in inner.error


async def test_a_key_that_the_server_does_not_know_says_which_one_to_correct(
    process_kind: ProcessKind, ssh_server: SshServer, repository: Repository, tmp_path: Path
) -> None:
    with ssh_server.serving():
        async with showing(make_key(tmp_path / "other"), process_kind, tmp_path) as client:
            built = await build_from_git(client, "ssh-wrong", ssh_server.url(repository.folder), "main")

    assert_denied(built)


async def test_another_host_key_is_refused_until_the_known_one_is_removed(
    client: KraneClient, ssh_server: SshServer, repository: Repository, tmp_path: Path
) -> None:
    url, known_hosts = ssh_server.url(repository.folder), Folders.under(tmp_path).known_hosts
    with ssh_server.serving():
        first = await build_from_git(client, "ssh-first", url, "main")

    with ssh_server.serving(host_key="other_host_key"):
        refused = await build_from_git(client, "ssh-refused", url, "main")
        known_hosts.unlink()
        again = await build_from_git(client, "ssh-again", url, "main")

    assert refused.status is BuildStatus.FAILED
    assert refused.error == (
        "127.0.0.1 shows another host key than before: if the key was changed on purpose, remove its line "
        "from known_hosts in krane's folder"
    )
    assert first.commit == again.commit == repository.git("rev-parse", "main")


async def test_a_server_that_never_says_anything_is_given_up(
    client: KraneClient, ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "CONNECT_SECONDS", 1)
    # Whoever connects to it waits in its queue.
    with socket.create_server(("127.0.0.1", ssh_server.port)):
        built = await build_from_git(client, "ssh-silent", ssh_server.url(tmp_path), "main")

    assert built.status is BuildStatus.FAILED
    assert "krane's machine cannot reach the git server on 127.0.0.1: Connection" in built.error
    assert_no_fetch_is_left(tmp_path, "ssh-silent")


@asynccontextmanager
async def showing(key: Path, kind: ProcessKind, data_dir: Path) -> AsyncGenerator[KraneClient]:
    """A krane that shows a key to git servers."""
    settings = kind.settings.model_copy(update={"git_ssh_key_file": key})
    async with running(data_dir, settings) as address, KraneClient(address) as client:
        yield client
    await kind.end(data_dir)


def assert_denied(built: BuildState) -> None:
    """A build that could not read its repository, and says what to do."""
    assert built.status is BuildStatus.FAILED
    assert "that krane may read: correct the address, or let the key in" in built.error
    assert "INTERLOCK_KRANE__GIT_SSH_KEY_FILE read it there" in built.error
