"""Builds of commits in git repositories, over real gRPC with real git: what both backends promise."""

import asyncio
import signal
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Conflict, Invalid
from services.domain.git import GitSource
from services.krane.backends.shared.folders import Folders
from services.krane.types import BuildStatus
from tests.git_repository import LOGIN, Repository, git_server, tells_password
from tests.krane.contract.conftest import Needs
from tests.krane.installation import Kind, Krane, krane_process
from tests.krane.support import (
    NAMESPACE,
    ask,
    assert_no_fetch_is_left,
    build_ended,
    build_from_git,
    healthy,
    processes_of_fetch,
    shims_of,
    spec,
)

pytestmark = pytest.mark.needs(Needs.BUILDS)

START = '[start]\ncommand = ["python", "app.py"]\n'
APP = (Path(__file__).parents[3] / "examples" / "hello-python" / "app.py").read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


async def test_what_a_ref_names_is_built_and_the_same_commit_again_is_the_same_image_at_once(
    krane: Krane, repository: Repository
) -> None:
    commit = repository.commit({"interlock.toml": START, "app.py": APP, "VERSION": f"one on {krane.kind}"})
    repository.git("tag", "--annotate", "--message=a tag", "v1")

    names = {"branch": "main", "default": "", "tag": "v1", "full": "refs/heads/main", "commit": commit}
    built = [await build_from_git(krane.client, f"git-{n}", repository.url, ref) for n, ref in names.items()]
    await krane.client.create(spec("git-1", built[0].image))

    assert {state.status for state in built} == {BuildStatus.SUCCEEDED}
    assert {state.commit for state in built} == {commit}
    assert [state.branch for state in built] == ["", "main", "", "", ""]
    assert len({(state.image, state.source) for state in built}) == 1
    assert [state.cached for state in built] == [False, True, True, True, True]
    assert f"fetched commit {commit}" in built[1].log_lines
    assert (await ask(await healthy(krane.client, "git-1"), "/")).json()["version"] == f"one on {krane.kind}"
    await krane.client.delete(NAMESPACE, "git-1")


async def test_every_build_looks_a_branch_up_and_is_of_one_commit_for_good(
    krane: Krane, repository: Repository
) -> None:
    # Nothing here says how it is started: each build ends once it was fetched.
    older = repository.commit({"app.py": "print(1)"})
    first = await build_from_git(krane.client, "moved-1", repository.url, "main")
    newer = repository.commit({"app.py": "print(2)"})

    second = await build_from_git(krane.client, "moved-2", repository.url, "main")
    by_id = await build_from_git(krane.client, "moved-3", repository.url, older)

    assert [state.commit for state in (first, second, by_id)] == [older, newer, older]
    assert first.source == by_id.source != second.source
    assert await build_from_git(krane.client, "moved-1", repository.url, "main") == first
    with pytest.raises(Conflict, match="builds something else"):
        await krane.client.start_build(NAMESPACE, "moved-1", GitSource(url=repository.url, ref="other"))
    with pytest.raises(Conflict, match="builds something else"):
        await krane.client.start_build(NAMESPACE, "moved-1", first.source)


async def test_an_entry_that_leads_out_of_the_repository_is_refused_as_in_an_upload(
    krane: Krane, repository: Repository
) -> None:
    (repository.folder / "evil").symlink_to("/etc/passwd")
    repository.commit({"interlock.toml": START, "app.py": ""})
    before = sources(krane)

    built = await build_from_git(krane.client, "evil", repository.url, "main")

    assert (built.status, built.source) == (BuildStatus.FAILED, "")
    assert built.error == "the source is refused: 'evil' is a link to '/etc/passwd', which leads out of the archive"
    assert sources(krane) == before
    assert_no_fetch_is_left(krane.data_dir, "evil")


async def test_the_archive_holds_what_the_commit_holds_and_no_program_was_run(
    krane: Krane, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"inner.txt": "of a submodule"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other.url, "sub")
    attributes = "*.txt filter=evil\nkept.txt export-ignore\nplain.txt export-subst\n"
    files = {"kept.txt": "kept", "plain.txt": "$Format:%H$", "deep/er/file.txt": "deep", ".gitattributes": attributes}
    repository.commit(files)
    # What whoever started krane has set up for their own git.
    hook, config, traces = tmp_path / "hooks" / "reference-transaction", tmp_path / "gitconfig", tmp_path / "traces"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {traces}/hook\n")
    hook.chmod(0o755)
    config.write_text(
        f'[core]\n  hooksPath = {hook.parent}\n[filter "evil"]\n  smudge = touch {traces}/filter\n'
        "[submodule]\n  recurse = true\n"
    )
    traces.mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path))

    built = await build_from_git(krane.client, "programs", repository.url, "main")

    digest = built.source.removeprefix("source@sha256:")
    with tarfile.open(krane.data_dir / "krane" / "sources" / f"{digest}.tar.gz") as archive:
        names = {entry.name for entry in archive if entry.isfile()}
        plain = archive.extractfile("plain.txt")
        assert plain is not None
        assert plain.read() == b"$Format:%H$"
    assert names == {*files, ".gitmodules"}
    assert list(traces.iterdir()) == []


async def test_a_private_repository_is_read_with_the_credential_of_its_server_which_is_kept_no_longer_than_needed(
    krane: Krane, repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit({"app.py": ""})
    with git_server(tmp_path) as server:
        url, others = f"{server.url}/private/repository/.git", replace(server.credential, host="ghcr.io")

        built = await build_from_git(krane.client, "private", url, "main", others, server.credential)

    # Nothing says how it is started: the build ends once it was fetched.
    assert built.commit == commit
    assert set(server.authorizations) == {LOGIN}
    assert_no_fetch_is_left(krane.data_dir, "private")
    assert_holds_no_password(krane.data_dir)


async def test_a_cancel_ends_a_fetch_from_a_server_that_does_not_answer(krane: Krane, tmp_path: Path) -> None:
    with git_server(tmp_path) as server:
        await krane.client.start_build(NAMESPACE, "silent", GitSource(url=f"{server.url}/silent/app", ref="main"))
        assert await asyncio.to_thread(server.asked.wait, 20)

        asked = time.monotonic()
        await krane.client.cancel_build(NAMESPACE, "silent")

        assert time.monotonic() - asked < 5
    ended = await build_ended(krane.client, "silent")
    assert (ended.status, ended.log_lines[-1]) == (BuildStatus.CANCELLED, "the build was cancelled")
    assert_no_fetch_is_left(krane.data_dir, "silent")


async def test_killed_krane_fetches_anew_and_leaves_nothing(kind: Kind, tmp_path: Path, unused_tcp_port: int) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with git_server(tmp_path) as server:
        async with krane_process(kind, data_dir, unused_tcp_port) as (process, client):
            source = GitSource(url=f"{server.url}/silent/app", ref="main")
            await client.start_build(NAMESPACE, "killed", source, credentials=[server.credential])
            assert await asyncio.to_thread(server.asked.wait, 20)
            first = processes_of_fetch(data_dir, "killed")

            await process.end(signal.SIGKILL)
            server.asked.clear()
            await process.start()

            assert await asyncio.to_thread(server.asked.wait, 20)
            assert first
            assert first.isdisjoint(processes_of_fetch(data_dir, "killed"))
            state = await client.get_build(NAMESPACE, "killed")
            assert state is not None
            assert "krane was restarted: the build starts again" in state.log_lines
            assert (Folders.under(data_dir).fetch("killed") / "home" / ".git-credentials").exists()
            await client.cancel_build(NAMESPACE, "killed")
            assert processes_of_fetch(data_dir, "killed") == set()
            assert shims_of(data_dir) == set()
            assert_holds_no_password(data_dir)


async def test_what_is_no_source_is_refused_before_anything_is_done(krane: Krane, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")

    for url, complaint in (
        ("file:///etc", "krane may not deploy from the folder"),
        (f"file://{tmp_path}/../../../../../../../../../../etc", "krane may not deploy from the folder"),
        (f"file://{tmp_path}/link", "krane may not deploy from the folder"),
        ("https://user:s3cret@127.0.0.1/app", "credentials"),
        ("ext::sh", "begin with"),
    ):
        with pytest.raises(Invalid, match=complaint):
            await krane.client.start_build(NAMESPACE, "refused", GitSource(url=url, ref="main"))
    with pytest.raises(Invalid, match="git ref"):
        await krane.client.start_build(NAMESPACE, "refused", GitSource(url=f"file://{tmp_path}", ref="--all"))
    assert await krane.client.get_build(NAMESPACE, "refused") is None


def assert_holds_no_password(folder: Path) -> None:
    """No file keeps what the server asked for."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if tells_password(path.read_bytes())] == []


def sources(krane: Krane) -> set[str]:
    return {path.name for path in Folders.under(krane.data_dir).sources.iterdir()}
