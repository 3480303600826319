"""Fetching commits: what is said when it does not work, its limits, and the other protocols."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.domain.errors import Invalid
from services.domain.git import GitSource
from services.gen.krane.v1 import build_pb2
from services.krane.backends.git.environment import SshIdentity, fetch_environment, write_files
from services.krane.backends.git.failures import describe_failure
from services.krane.backends.git.fetch_job import FETCH_JOB, FetchJob
from services.krane.backends.shared.folders import Folders
from services.krane.client import KraneClient
from services.krane.codec import decode_origin
from services.krane.server import running
from services.krane.types import BuildState, BuildStatus
from tests.git_repository import GitServer, Repository, git_server, self_signed, tells_password
from tests.krane.installation import Krane, ProcessKind
from tests.krane.support import NAMESPACE, assert_no_fetch_is_left, build_ended, build_from_git, processes_of_fetch

ABSENT = "0123456789" * 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("git")


@pytest.fixture(scope="module")
def repository(root: Path) -> Repository:
    made = Repository(root / "app")
    made.commit({"app.py": ""})
    return made


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[GitServer]:
    with git_server(root) as serving:
        yield serving


@pytest.mark.parametrize(
    ("build_id", "ref", "error"),
    [
        ("no-branch", "nope", "has no branch or tag 'nope': push it, or name another one"),
        (
            "short-commit",
            ABSENT[:7],
            "has no branch or tag '0123456': name a commit by its whole id, of 40 digits",
        ),
        ("no-commit", ABSENT, f"does not send commit {ABSENT}"),
        ("no-sha256", "0" * 64, "by another hash"),
        ("a-tree", "tree", "'tree' of file:.* is not a commit"),
    ],
)
async def test_a_ref_that_cannot_be_fetched_says_what_to_correct(
    krane: Krane, repository: Repository, build_id: str, ref: str, error: str
) -> None:
    repository.git("tag", "--force", "tree", "HEAD^{tree}")

    built = await build_from_git(krane.client, build_id, repository.url, ref)

    assert_failed(built, error)
    assert built.log_lines[-1] == f"the build failed: {built.error}"
    assert_no_fetch_is_left(krane.data_dir, build_id)


@pytest.mark.parametrize(
    ("build_id", "head", "branch"),
    [("trunk", "refs/heads/team/trunk", "team/trunk"), ("no-name", f"refs/heads/{'a' * 200}/{'b' * 200}", "")],
)
async def test_the_default_branch_is_what_the_repository_says_if_somebody_could_ask_for_it(
    krane: Krane, tmp_path: Path, build_id: str, head: str, branch: str
) -> None:
    repository = Repository(tmp_path / "app")
    commit = repository.commit({"app.py": ""})
    repository.git("update-ref", head, commit)
    repository.git("symbolic-ref", "HEAD", head)
    repository.git("update-ref", "-d", "refs/heads/main")

    built = await build_from_git(krane.client, build_id, repository.url, "HEAD")

    assert (built.commit, built.branch) == (commit, branch)


async def test_without_a_branch_at_head_its_commit_is_fetched(krane: Krane, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "app")
    commit = repository.commit({"app.py": ""})
    repository.git("checkout", "--quiet", "--detach")

    built = await build_from_git(krane.client, "detached", repository.url, "")

    assert (built.commit, built.branch) == (commit, "")


async def test_an_empty_repository_says_so(krane: Krane, tmp_path: Path) -> None:
    built = await build_from_git(krane.client, "empty", Repository(tmp_path / "app").url, "")

    assert_failed(built, "has no branch or tag 'HEAD': push it, or name another one")


async def test_a_folder_that_is_no_repository_says_so(krane: Krane, tmp_path: Path) -> None:
    built = await build_from_git(krane.client, "no-repository", f"file://{tmp_path}", "main")

    assert_failed(built, f"there is no repository at file://{tmp_path} that krane may read: correct the path")


async def test_a_repository_is_fetched_over_http(krane: Krane, server: GitServer, repository: Repository) -> None:
    built = await build_from_git(krane.client, "http", f"{server.url}/app/.git", "main")

    assert built.commit == repository.git("rev-parse", "main")
    assert built.source.startswith("source@sha256:")


async def test_https_is_trusted_by_the_authorities_of_krane(
    krane: Krane, root: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with git_server(root, certificate) as secure:
        refused = await build_from_git(krane.client, "https-unknown", f"{secure.url}/app/.git", "main")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        private = f"{secure.url}/private/app/.git"
        built = await build_from_git(krane.client, "https", private, "main", secure.credential)

    assert_failed(refused, "krane's machine does not trust the certificate of localhost")
    assert built.commit == repository.git("rev-parse", "main")


@pytest.mark.parametrize(
    ("build_id", "path", "error"),
    [
        (
            "http-private",
            "private/app",
            "that krane may read: .* `interlock credentials set localhost:.* --username NAME`, or deploy by ssh",
        ),
        ("http-forbidden", "forbidden/app", "that krane may read: correct the address; .* `interlock credentials set"),
        ("http-absent", "absent", "that krane may read: correct the address; .* `interlock credentials set localhost:"),
        ("http-moved", "moved/app/.git", "redirects to another address, which krane does not follow"),
    ],
)
async def test_a_server_that_refuses_is_understood(
    krane: Krane, server: GitServer, build_id: str, path: str, error: str
) -> None:
    assert_failed(await build_from_git(krane.client, build_id, f"{server.url}/{path}", "main"), error)


@pytest.mark.parametrize("path", ["private/app", "forbidden/app", "absent"])
async def test_a_credential_that_does_not_do_says_how_to_set_another(
    krane: Krane, server: GitServer, path: str
) -> None:
    wrong = replace(server.credential, password="wrong")

    built = await build_from_git(krane.client, f"wrong-{path[:6]}", f"{server.url}/{path}", "main", wrong)

    assert_failed(built, "that the workspace's credential may read: correct the address, or set another one with ")
    assert f"`interlock credentials set {server.host}`" in built.error
    assert "wrong" not in " ".join((built.error, *built.log_lines))


async def test_a_credential_is_sent_to_its_own_server_alone_and_only_when_that_asks(
    krane: Krane, root: Path, server: GitServer, repository: Repository
) -> None:
    server.authorizations.clear()
    with git_server(root) as other:
        moved = await build_from_git(
            krane.client, "moved-private", f"{server.url}/moved/private/app/.git", "main", server.credential
        )
        public = await build_from_git(
            krane.client, "public", f"{server.url}/app/.git", "main", server.credential, other.credential
        )
        refused = await build_from_git(
            krane.client, "others", f"{other.url}/private/app/.git", "main", server.credential
        )

    assert_failed(moved, "redirects to another address, which krane does not follow")
    assert public.commit == repository.git("rev-parse", "main")
    assert_failed(refused, "that krane may read")
    assert server.authorizations == other.authorizations == []


async def test_a_credential_lives_in_files_for_krane_alone_until_a_cancel_ends_the_fetch(
    krane: Krane, server: GitServer
) -> None:
    source = GitSource(url=f"{server.url}/silent/app", ref="main")
    server.asked.clear()
    await krane.client.start_build(NAMESPACE, "kept-credential", source, credentials=[server.credential])
    assert await asyncio.to_thread(server.asked.wait, 20)
    folder = Folders.under(krane.data_dir).builds / "kept-credential"
    files = [folder / "credentials.json", folder / "fetch" / "home" / ".git-credentials"]

    modes = [stat.S_IMODE(file.stat().st_mode) for file in files]
    seen = [
        argument for pid in processes_of_fetch(krane.data_dir, "kept-credential") for argument in process_texts(pid)
    ]
    await krane.client.cancel_build(NAMESPACE, "kept-credential")

    assert modes == [0o600, 0o600]
    assert seen
    assert [text for text in seen if tells_password(text.encode())] == []
    assert [file for file in files if file.exists()] == []


async def test_a_password_that_git_cannot_send_is_not_shown(krane: Krane, server: GitServer) -> None:
    broken = replace(server.credential, password="s3cret\nhost=elsewhere")

    built = await build_from_git(krane.client, "line-break", f"{server.url}/private/app", "main", broken)

    assert_failed(built, f"the password for {server.host} holds a line break, which git cannot send: set it again")
    assert "s3cret" not in " ".join((built.error, *built.log_lines))


@pytest.mark.parametrize(
    ("build_id", "url", "error"),
    [
        ("https-away", "https://127.0.0.1:{port}/app", "cannot reach the git server on 127.0.0.1: .*Failed to connect"),
        (
            "ssh-away",
            "ssh://git@127.0.0.1:{port}/app",
            "cannot reach the git server on 127.0.0.1: .*Connection refused",
        ),
        (
            "unresolved",
            "git@unknown.invalid:app",
            "cannot reach the git server on unknown.invalid: .*Could not resolve hostname",
        ),
    ],
)
async def test_a_server_that_is_away_is_named(
    krane: Krane, unused_tcp_port: int, build_id: str, url: str, error: str
) -> None:
    assert_failed(await build_from_git(krane.client, build_id, url.format(port=unused_tcp_port), "main"), error)


async def test_a_repository_that_is_too_large_is_stopped_while_it_comes(krane: Krane, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "large")
    repository.commit({"noise": os.urandom(20 * 1024 * 1024)})

    built = await build_from_git(krane.client, "too-large", repository.url, "main")

    assert_failed(built, "is larger than 1048576 bytes: remove files from the repository that the app does not need")
    assert_no_fetch_is_left(krane.data_dir, "too-large")


@pytest.mark.parametrize("content", [bytes(20 * 1024 * 1024), os.urandom(512 * 1024)], ids=["zeros", "noise"])
async def test_a_commit_that_packs_to_too_much_is_stopped(krane: Krane, tmp_path: Path, content: bytes) -> None:
    repository = Repository(tmp_path / "bomb")
    repository.commit({"file": content})
    # One blob under many names: little comes, and much comes out.
    blob = repository.git("rev-parse", "HEAD:file")
    names = [f"100644,{blob},file-{n}" for n in range(9)]
    repository.git("update-index", "--add", *(word for name in names for word in ("--cacheinfo", name)))
    repository.git("commit", "--quiet", "--message=bomb")

    built = await build_from_git(krane.client, f"bomb-{len(content)}", repository.url, "main")

    assert_failed(
        built, "the source is larger than 1048576 bytes, or 5242880 unpacked: remove files that the app does not need"
    )
    assert_no_fetch_is_left(krane.data_dir, f"bomb-{len(content)}")


async def test_a_fetch_over_its_time_is_stopped(process_kind: ProcessKind, server: GitServer, tmp_path: Path) -> None:
    settings = process_kind.settings.model_copy(update={"fetch_timeout_seconds": 0.5})
    async with running(tmp_path, settings) as address, KraneClient(address) as client:
        built = await build_from_git(client, "endless", f"{server.url}/silent/app", "main")

    assert_failed(built, "fetching the source took longer than 0.5 s and was stopped")
    await process_kind.end(tmp_path)


async def test_a_fetch_takes_its_turn(process_kind: ProcessKind, server: GitServer, tmp_path: Path) -> None:
    settings = process_kind.settings.model_copy(update={"max_builds": 1})
    source = GitSource(url=f"{server.url}/silent/app", ref="main")
    async with running(tmp_path, settings) as address, KraneClient(address) as client:
        server.asked.clear()
        await client.start_build(NAMESPACE, "first", source)
        await client.start_build(NAMESPACE, "second", source)
        assert await asyncio.to_thread(server.asked.wait, 20)
        for build_id in ("second", "first"):
            await client.cancel_build(NAMESPACE, build_id)
        ended = await build_ended(client, "second")

    assert ended.log_lines == ("waiting: 1 other builds are running", "the build was cancelled")
    await process_kind.end(tmp_path)


def test_a_build_of_two_things_is_refused() -> None:
    request = build_pb2.StartBuildRequest(source="source", git=build_pb2.GitSource(url="https://git.example.com/app"))

    with pytest.raises(Invalid, match="exactly one of source and git"):
        decode_origin(request)


def test_a_machine_without_git_says_so(tmp_path: Path) -> None:
    job = FetchJob(
        git=GitSource(url="https://git.example.com/app", ref="main"),
        address="https://git.example.com/app",
        repository=tmp_path / "repository",
        archive=tmp_path / "archive",
        commit=tmp_path / "commit",
        branch=tmp_path / "branch",
        failure=tmp_path / "failure",
        max_source_bytes=1000,
    )
    (tmp_path / "job.json").write_bytes(FETCH_JOB.dump_json(job))
    command = [sys.executable, "-m", "services.krane.backends.git.fetch_job", str(tmp_path / "job.json")]

    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, check=False)

    assert done.returncode == 1, done
    assert job.failure.read_text() == "git is not installed on krane's machine: install it (on Debian: git)"


def test_ssh_asks_nobody_and_knows_krane_by_one_key(tmp_path: Path) -> None:
    identity = SshIdentity(key_file=tmp_path / "a key", known_hosts=tmp_path / "%h known")
    write_files(tmp_path, identity)
    environment = fetch_environment(tmp_path, GitSource(url="git@git.example.com:app", ref=""), {"SECRET": "s3cret"})

    # What ssh makes of it, by the program that git calls.
    listed = subprocess.run(
        [environment["GIT_SSH"], "-G", "git@git.example.com"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert {
        "user git",
        "batchmode yes",
        "stricthostkeychecking accept-new",
        "identitiesonly yes",
        "identityagent none",
        f"identityfile {tmp_path}/a key",
        "preferredauthentications publickey",
        "clearallforwardings yes",
    } <= set(listed)
    assert f"userknownhostsfile {tmp_path}/%h known" in listed
    assert "s3cret" not in json.dumps(environment)
    assert environment["GIT_ALLOW_PROTOCOL"] == "ssh"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "git@github.com: Permission denied (publickey).\r\nfatal: Could not read from remote repository.",
            "let the key",
        ),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "let the key"),
        ("fatal: Could not read from remote repository.", "let the key"),
        (
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 192.0.2.1 port 22\n"
            "fatal: Could not read from remote repository.",
            "krane's machine cannot reach the git server on git.example.com: Connection closed by remote host;",
        ),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "known_hosts"),
        ("/tmp/ssh: 2: exec: ssh: not found\nfatal: Could not read from remote repository.", "install it"),
        ("fatal: mismatched algorithms: client sha1; server sha256", "by another hash"),
        ("fatal: detected dubious ownership in repository at '/x'", "make that user its owner"),
        ("fatal: unable to access 'x': SSL certificate problem: self-signed certificate", "does not trust"),
        ("fatal: unable to access 'x': The requested URL returned error: 503", "cannot reach"),
        ("error: file write error: No space left on device\nfatal: fetch-pack: invalid index-pack output", "make room"),
        ("fatal: something new\x1b[2J.", "git could not fetch git@git.example.com:app: something new[2J"),
        ("", "git does not say why"),
    ],
)
def test_what_git_says_is_understood(said: str, sentence: str) -> None:
    assert sentence in describe_failure(GitSource(url="git@git.example.com:app", ref="main"), said)


def process_texts(pid: int) -> list[str]:
    """What everybody sees of a process, and its environment; empty when it has ended."""
    try:
        return [Path(f"/proc/{pid}/{name}").read_text(errors="replace") for name in ("cmdline", "environ")]
    except FileNotFoundError:
        return []


def assert_failed(built: BuildState, error: str) -> None:
    """A build that failed with one sentence."""
    assert (built.status, built.image) == (BuildStatus.FAILED, "")
    assert re.search(error, built.error), built.error
