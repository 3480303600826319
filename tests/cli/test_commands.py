import asyncio
import getpass
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import update

from services.cli.exit_codes import MEANINGS, ExitCode
from services.cli.opening import url_of
from services.ctrl.enums import status_of
from services.db.tables import Project
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.cli.conftest import Interlock
from tests.ctrl.installation import IMAGE, Installation


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source tree that is none of git's business."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "app.py").write_text("print('hello')\n")
    return folder


def make_repository(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q", "-b", "feat/x"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=20)


def test_deploying_a_folder_shows_steps_and_ends_with_the_result(
    interlock: Interlock, project: str, source: Path
) -> None:
    result = interlock("deploy", str(source), "-p", project)

    assert result.code == 0
    assert "is ready" in result.out
    assert "uploading" in result.err
    assert "+ build" in result.err


def test_json_on_stdout_is_one_message_and_chatter_stays_on_stderr(
    interlock: Interlock, project: str, source: Path
) -> None:
    result = interlock("deploy", str(source), "-p", project, "--commit", "abcdef1", "-m", "why", "-o", "json")

    deployment = result.message(pb.Deployment())
    assert (status_of(deployment), deployment.branch, deployment.commit) == ("ready", "main", "abcdef1")
    assert deployment.source.startswith("source@sha256:")
    assert '"is_live": false' in result.out
    assert "uploading" in result.err


def test_a_tar_is_the_same_source_whichever_way_it_comes(
    interlock: Interlock, project: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deployed(what: str) -> pb.Deployment:
        return interlock("deploy", what, "-p", project, "-o", "json").message(pb.Deployment())

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(source, arcname=".")
    gzipped = tmp_path / "source.tar.gz"
    with gzipped.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
        stream.write(plain.getvalue())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(plain.getvalue())))

    piped, named = deployed("-"), deployed(str(gzipped))

    assert status_of(piped) == status_of(named) == "ready"
    assert piped.source == named.source
    refused = interlock("deploy", __file__, "-p", project)
    assert "not a gzipped tar" in refused.err


def test_branch_and_commit_come_from_git(interlock: Interlock, project: str, source: Path) -> None:
    make_repository(source)

    deployment = interlock("-o", "json", "deploy", str(source), "-p", project).message(pb.Deployment())

    assert (deployment.branch, len(deployment.commit), deployment.is_dirty) == ("feat/x", 40, False)


def test_a_changed_checkout_is_marked_as_dirty_wherever_its_commit_is_shown(
    interlock: Interlock, project: str, source: Path
) -> None:
    make_repository(source)
    (source / "app.py").write_text("print('changed')\n")

    created = interlock("deploy", str(source), "-p", project, "-o", "json")
    deployment = created.message(pb.Deployment())
    name = f"{deployment.commit[:7]}-dirty"

    assert deployment.is_dirty
    assert "changes that are not in its commit" in created.err
    for shown in (("show", deployment.id), ("ls", "-p", project), ("status", "-p", project)):
        assert name in interlock(*shown).out


def test_a_detached_head_is_refused_unless_ci_or_the_user_names_the_branch(
    interlock: Interlock, project: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(source)
    subprocess.run(["git", "-C", str(source), "checkout", "-q", "--detach"], check=True, timeout=20)

    refused = interlock("deploy", str(source), "-p", project)
    told = interlock("deploy", str(source), "-p", project, "--branch", "mine", "-o", "json")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "feature/login")
    from_ci = interlock("deploy", str(source), "-p", project, "-o", "json")

    assert (refused.code, "say --branch" in refused.err, "uploading" in refused.err) == (2, True, False)
    assert told.message(pb.Deployment()).branch == "mine"
    assert from_ci.message(pb.Deployment()).branch == "feature/login"


def test_what_git_ignores_is_not_sent_and_stops_nothing(interlock: Interlock, project: str, source: Path) -> None:
    (source / ".gitignore").write_text("venv/\n.env\n")
    (source / ".env").write_text("SECRET=hunter2")
    (source / "venv").mkdir()
    (source / "venv" / "python").symlink_to("/usr/bin/python3")
    os.mkfifo(source / ".overmind.sock")
    (source / "brokenlink").symlink_to("/nowhere/at/all")

    result = interlock("deploy", str(source), "-p", project)

    assert result.code == 0
    assert "2 files, " in result.err
    assert "not sent: .overmind.sock" in result.err
    assert "not sent: brokenlink, a link to /nowhere/at/all" in result.err


def test_an_unknown_project_is_refused_before_anything_is_sent(
    interlock: Interlock, control_plane: Installation, source: Path
) -> None:
    refused = interlock("deploy", str(source), "-p", "unknown")

    assert (refused.code, "uploading" in refused.err) == (9, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("https://git.example.com/app", "--ref", "feat/x"),
        ("git@git.example.com:team/app", "--ref", "feat/x"),
        ("--git", "git@git.example.com:app", "--ref", "feat/x"),
    ],
)
def test_a_repository_is_named_by_its_url(interlock: Interlock, project: str, arguments: tuple[str, ...]) -> None:
    created = interlock("deploy", *arguments, "-p", project, "-o", "json").message(pb.Deployment())
    shown = interlock("show", created.id)

    url = arguments[-3]
    assert (created.git.url, created.git.ref, created.branch) == (url, "feat/x", "feat/x")
    assert f"{url} feat/x" in shown.out


def test_without_waiting_the_deployment_is_pending_and_can_be_watched(interlock: Interlock, project: str) -> None:
    created = interlock("deploy", IMAGE, "-p", project, "--no-wait", "-o", "json").message(pb.Deployment())
    watched = interlock("watch", created.id, "-o", "json")

    assert status_of(created) == "pending"
    assert (watched.code, status_of(watched.message(pb.Deployment()))) == (0, "ready")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("fail in build", 3),
        ("fail in poll until ready", 4),
        ("fail in release command", 12),
        ("fail in assign domains", 1),
    ],
)
def test_the_exit_code_says_what_failed(interlock: Interlock, project: str, message: str, code: int) -> None:
    result = interlock("deploy", IMAGE, "-p", project, "-m", message)

    assert result.code == code
    assert "it broke" in result.out
    assert "x build" in result.err


def test_a_wait_that_times_out_says_how_to_go_on_and_stops_nothing(interlock: Interlock, project: str) -> None:
    result = interlock("deploy", IMAGE, "-p", project, "-m", "hold", "--timeout", "1s")

    assert result.code == 5
    assert "still running: interlock watch d_" in result.err
    running = interlock("ls", "-p", project, "-o", "json").message(pb.ListDeploymentsResponse()).deployments[0]
    assert status_of(running) == "building"

    cancel = interlock("cancel", running.id, "--reason", "enough", "-o", "json")
    assert cancel.message(pb.CancelDeploymentResponse()).cancelling
    watched = interlock("watch", running.id)
    assert watched.code == 6
    assert "enough" in watched.out
    again = interlock("cancel", running.id)
    assert (again.code, "has already ended: cancelled" in again.out) == (0, True)


def test_a_superseded_deployment_ends_the_wait_and_names_the_newer_one(interlock: Interlock, project: str) -> None:
    running = _deploy_in_background(interlock, project, "hold")
    assert interlock("watch", running, "--timeout", "1s").code == 5
    queued, newer = _deploy_in_background(interlock, project, "ok"), _deploy_in_background(interlock, project, "ok")

    watched = interlock("watch", queued)

    assert (watched.code, f"superseded by newer deployment {newer}" in watched.out) == (6, True)
    assert interlock("cancel", running).code == 0
    assert interlock("watch", newer).code == 0


def test_a_cancel_says_who_asked(interlock: Interlock, project: str) -> None:
    running = _deploy_in_background(interlock, project, "hold")

    interlock("cancel", running, "--reason", "enough")

    assert f"by {getpass.getuser()}: enough" in interlock("watch", running).out


def test_ctrl_c_stops_the_wait_and_not_the_deployment(
    interlock: Interlock, control_plane: Installation, project: str
) -> None:
    created = interlock("deploy", IMAGE, "-p", project, "-m", "hold", "--no-wait", "-o", "json").message(
        pb.Deployment()
    )
    argv = [sys.executable, "-m", "services.cli", "deploy", IMAGE, "-p", project]
    watching = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert watching.stderr is not None
    begun = watching.stderr.readline()

    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)

    deployment_id = begun.removeprefix("following ").strip()
    assert watching.returncode == 130
    assert f"still running: interlock watch {deployment_id}" in err
    for running in (deployment_id, created.id):
        assert interlock("cancel", running).code == 0


def test_rollback_and_promote_print_what_moved(interlock: Interlock, control_plane: Installation, project: str) -> None:
    older = interlock("deploy", IMAGE, "-p", project, "-o", "json").message(pb.Deployment()).id
    newer = interlock("deploy", IMAGE, "-p", project, "-o", "json").message(pb.Deployment()).id
    asyncio.run(_set_live(control_plane, project, newer))

    refused = interlock("rollback", newer, "-p", project)
    text = interlock("rollback", older, "-p", project)
    response = interlock("rollback", older, "-p", project, "-o", "json").message(pb.RollbackResponse())
    promoted = interlock("promote", older, "-p", project)

    assert (refused.code, "both source and target" in refused.err) == (7, True)
    assert (text.code, f"live moved from {newer} to {older}, warm" in text.out) == (0, True)
    assert list(response.domains) == ["moved.example"]
    assert (promoted.code, f"from d_before to {older}, cold" in promoted.out) == (0, True)


def test_show_and_logs_of_a_project_are_those_of_its_live_deployment(
    interlock: Interlock, control_plane: Installation, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert interlock("show", project).code == 7
    deployment_id = interlock("deploy", IMAGE, "-p", project, "-o", "json").message(pb.Deployment()).id
    asyncio.run(_set_live(control_plane, project, deployment_id))
    (tmp_path / "interlock.toml").write_text(f'project = "{project}"\n')
    monkeypatch.chdir(tmp_path)

    for named in ((project,), ("-p", project), ()):
        assert interlock("show", *named, "-o", "json").message(pb.Deployment()).id == deployment_id
        assert interlock("logs", *named).code == interlock("logs", deployment_id).code
    assert interlock("show", project, "-p", project).code == 2


def test_a_long_line_is_not_wrapped_for_a_program_that_reads_it(interlock: Interlock, project: str) -> None:
    message = "many words " * 40
    assert interlock("deploy", IMAGE, "-p", project, "-m", message).code == 0

    assert message.strip() in interlock("ls", "-p", project).out


def test_the_result_says_how_long_it_took(interlock: Interlock, project: str) -> None:
    assert re.search(r" is ready, after \d+\.\d s$", interlock("deploy", IMAGE, "-p", project).out, re.MULTILINE)


def test_open_prints_a_url_and_refuses_without_one(
    interlock: Interlock, control_plane: Installation, project: str
) -> None:
    deployment = interlock("deploy", IMAGE, "-p", project, "-o", "json").message(pb.Deployment())

    refused = interlock("open", deployment.id)

    assert (refused.code, "has no URL" in refused.err) == (7, True)
    deployment.domains.add(url="http://app-1a.test", sticky=pb.STICKY_COMMIT)
    deployment.domains.add(url="http://app.test", sticky=pb.STICKY_LIVE)
    assert url_of(deployment) == "http://app.test"


def test_version_needs_no_control_plane(interlock: Interlock) -> None:
    assert re.fullmatch(r"interlock \d+\.\d+\.\d+\n", interlock("version").out)
    assert json.loads(interlock("version", "-o", "json").out).keys() == {"version"}


def test_help_lists_every_exit_code(interlock: Interlock) -> None:
    shown = interlock("--help").out

    for code, meaning in MEANINGS.items():
        assert f"{code:>3}  {meaning}" in shown
    assert set(MEANINGS) == set(ExitCode)


def test_deploy_finds_the_project_in_the_folder_it_sends(
    interlock: Interlock, control_plane: Installation, project: str, source: Path
) -> None:
    (source / "interlock.toml").write_text(f'project = "{project}"\n')

    deployed = interlock("deploy", str(source), "-o", "json")

    assert (deployed.code, deployed.message(pb.Deployment()).project) == (0, project)


def test_a_file_that_names_no_project_properly_is_named(
    interlock: Interlock, control_plane: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "interlock.toml").write_text("project = 7\n")
    monkeypatch.chdir(tmp_path)

    result = interlock("status")

    assert (result.code, "interlock.toml is not valid: project must be a string" in result.err) == (2, True)


def test_reading_commands_print_tables_and_messages(interlock: Interlock, project: str) -> None:
    deployed = interlock("deploy", IMAGE, "-p", project, "-m", "[red]why[/red] :smile:", "-o", "json")
    deployment_id = deployed.message(pb.Deployment()).id

    for arguments, message in (
        (("project", "ls"), pb.ListProjectsResponse()),
        (("status", "-p", project), pb.GetProjectStatusResponse()),
        (("ls", "-p", project, "--limit", "1"), pb.ListDeploymentsResponse()),
        (("show", deployment_id), pb.Deployment()),
        (("domains", "ls", "-p", project), pb.ListDomainsResponse()),
        (("audit", "-p", project), pb.ListTransitionsResponse()),
    ):
        text, json = interlock(*arguments), interlock(*arguments, "-o", "json")
        assert (text.code, json.code) == (0, 0)
        assert text.out.strip()
        json.message(message)
    assert deployment_id in interlock("ls", "-p", project).out
    assert deployment_id in interlock("show", deployment_id).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "d_unknown"), 9),
        (("status", "-p", "unknown"), 9),
        (("show", "../x"), 2),
        (("project", "create", "Not-A-Slug"), 2),
        (("deploy", "./missing", "-p", "x"), 2),
        (("deploy", "examples/missing", "-p", "x"), 2),
        (("deploy", IMAGE, "-p", "x", "--replicas", "51"), 2),
        (("deploy", IMAGE, "-p", "x", "--timeout", "soon"), 2),
        (("deploy", IMAGE), 2),
        (("deploy", "-p", "x"), 2),
        (("deploy", IMAGE, "-p", "x", "--git", "https://git.example.com/app"), 2),
        (("deploy", IMAGE, "-p", "x", "--ref", "main"), 2),
        (("deploy", "https://user:secret@git.example.com/app", "-p", "x"), 2),
        (("up", "--ports", "some"), 2),
        (("ls", "-p", "x", "-o", "yaml"), 2),
        (("nonsense",), 2),
    ],
)
def test_errors_have_their_exit_code_and_keep_stdout_clean(
    interlock: Interlock, control_plane: Installation, arguments: tuple[str, ...], code: int
) -> None:
    result = interlock(*arguments)

    assert (result.code, result.out) == (code, "")
    assert result.err


def test_a_project_that_exists_is_a_conflict(interlock: Interlock, project: str) -> None:
    assert interlock("project", "create", project).code == 7


def test_workspaces_do_not_see_each_other(interlock: Interlock, project: str) -> None:
    assert interlock("status", "-p", project, "-w", "stranger").code == 9


def test_logs_that_do_not_exist_are_not_found(interlock: Interlock, project: str) -> None:
    deployment = interlock("deploy", IMAGE, "-p", project, "-o", "json").message(pb.Deployment())

    assert interlock("logs", deployment.id, "--build").code == 9


def test_ctrl_c_ends_following_and_a_cancel_ends_it_by_itself(interlock: Interlock, project: str) -> None:
    deployment_id = _deploy_in_background(interlock, project, "hold")
    argv = [sys.executable, "-m", "services.cli", "logs", deployment_id, "-f", "--since", "10m"]
    interrupted, patient = (subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(2))

    with pytest.raises(subprocess.TimeoutExpired):
        interrupted.communicate(timeout=4)
    interrupted.send_signal(signal.SIGINT)
    assert interrupted.communicate(timeout=30) == (None, "")
    assert interrupted.returncode == 130
    assert interlock("cancel", deployment_id).code == 0
    assert patient.communicate(timeout=30) == (None, "")
    assert patient.returncode == 0


def _deploy_in_background(interlock: Interlock, project: str, message: str) -> str:
    return (
        interlock("deploy", IMAGE, "-p", project, "-m", message, "--no-wait", "-o", "json").message(pb.Deployment()).id
    )


async def _set_live(installation: Installation, project: str, deployment_id: str) -> None:
    database = installation.database()
    async with database.write() as session:
        await session.execute(update(Project).where(Project.slug == project).values(live_deployment_id=deployment_id))
    await database.close()
