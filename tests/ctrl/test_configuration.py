"""Settings, variables and secrets over the API."""

import httpx
import pytest

from services.ctrl.client import ControlClient
from services.domain.errors import Conflict, Invalid, NotFound
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.ctrl.installation import IMAGE, Installation

SECRET = "not-for-everybody-4711"


async def test_a_deployment_is_run_as_it_says_else_as_its_project_else_by_default(
    client: ControlClient, project: str
) -> None:
    await client.set_settings(
        project, pb.RunSettings(replicas=3, health_path="/project", release_command=["./a", "b c"], command=["./serve"])
    )
    changed = await client.set_settings(project, pb.RunSettings(replicas=2, memory_mib=64, port=9000))
    request = pb.CreateDeploymentRequest(
        project=project, image=IMAGE, memory_mib=128, stop_seconds=20, idempotency_key="once"
    )
    deployment = await client.create_deployment(request)
    left = await client.remove_settings(project, ["replicas", "memory_mib", "port", "release_command", "command"])

    repeated = await client.create_deployment(request)

    assert changed.settings == pb.RunSettings(
        replicas=2,
        memory_mib=64,
        health_path="/project",
        port=9000,
        release_command=["./a", "b c"],
        command=["./serve"],
    )
    assert left.settings == pb.RunSettings(health_path="/project")
    assert (await client.get_settings(project)).settings == left.settings
    assert repeated.id == deployment.id
    kept = await client.get_deployment(deployment.id)
    assert (kept.replicas, kept.memory_mib, kept.cpu_millicores, kept.health_path) == (2, 128, 250, "/project")
    assert (kept.port, kept.stop_seconds, kept.release_command) == (9000, 20, ["./a", "b c"])
    assert kept.command == ["./serve"]


async def test_no_release_command_and_one_take_each_others_place_and_removed_it_is_neither(
    client: ControlClient, project: str
) -> None:
    some, none = pb.RunSettings(release_command=["./migrate"]), pb.RunSettings(no_release_command=True)

    said = [(await client.set_settings(project, settings)).settings for settings in (some, none, some, none)]
    with pytest.raises(Invalid, match="release_command and no_release_command contradict each other"):
        await client.set_settings(project, pb.RunSettings(release_command=["./migrate"], no_release_command=True))
    left = (await client.remove_settings(project, ["release_command"])).settings

    assert said == [some, none, some, none]
    assert left == pb.RunSettings()


async def test_a_deployment_can_do_without_the_release_command_of_its_project(
    client: ControlClient, project: str
) -> None:
    await client.set_settings(project, pb.RunSettings(release_command=["./migrate"]))

    made = [
        await client.create_deployment(
            pb.CreateDeploymentRequest(project=project, image=IMAGE, no_release_command=is_none)
        )
        for is_none in (False, True)
    ]

    assert [deployment.release_command for deployment in made] == [["./migrate"], []]


async def test_bad_settings_are_refused_and_nothing_is_set(client: ControlClient, project: str) -> None:
    for bad in (
        pb.RunSettings(),
        pb.RunSettings(replicas=51),
        pb.RunSettings(stop_seconds=301),
        pb.RunSettings(replicas=2, memory_mib=2**40),
    ):
        with pytest.raises(Invalid):
            await client.set_settings(project, bad)
    with pytest.raises(Invalid, match="no setting 'speed'"):
        await client.remove_settings(project, ["speed"])
    with pytest.raises(NotFound, match="setting replicas is not set"):
        await client.remove_settings(project, ["replicas"])

    assert (await client.get_settings(project)).settings == pb.RunSettings()


async def test_variables_are_set_listed_and_removed_in_each_environment_for_itself(
    client: ControlClient, project: str
) -> None:
    client.actor = "alice"
    await client.set_variables(project, {"B": "two", "A": "1"})
    await client.set_variables(project, {"A": "preview"}, "preview")
    await client.set_variables(project, {"A": "one"})

    listed = (await client.list_variables(project)).variables
    await client.remove_variables(project, ["A"])

    assert [(v.name, v.value, v.updated_by) for v in listed] == [("A", "one", "alice"), ("B", "two", "alice")]
    assert all(v.updated_at_ms for v in listed)
    assert [v.name for v in (await client.list_variables(project)).variables] == ["B"]
    assert [v.value for v in (await client.list_variables(project, "preview")).variables] == ["preview"]


async def test_of_a_secret_only_name_version_and_time_are_told(
    client: ControlClient, project: str, installation: Installation
) -> None:
    await client.set_secrets(project, {"TOKEN": "first"})
    await client.set_secrets(project, {"TOKEN": SECRET})
    deployment = await client.create_deployment(pb.CreateDeploymentRequest(project=project, image=IMAGE))

    listed = await client.list_secrets(project)

    assert [(s.name, s.version) for s in listed.secrets] == [("TOKEN", 2)]
    assert [(s.name, s.version) for s in deployment.secrets] == [("TOKEN", 2)]
    async with httpx.AsyncClient(base_url=installation.http_url) as http:
        for method, body in (
            ("ListSecrets", {"project": project}),
            ("ListVariables", {"project": project}),
            ("GetDeployment", {"deployment_id": deployment.id}),
            ("ListDeployments", {"project": project}),
        ):
            answer = await http.post(f"/ctrl.v1.ControlService/{method}", json=body)
            assert answer.status_code == 200
            assert SECRET not in answer.text
    files = [f for f in installation.folder.rglob("*") if f.is_file()]
    assert [f.name for f in files if SECRET.encode() in f.read_bytes()] == []


async def test_a_deployment_says_what_it_was_recorded_with(client: ControlClient, project: str) -> None:
    await client.set_variables(project, {"MODE": "one", "LEVEL": "info"})
    request = pb.CreateDeploymentRequest(project=project, image=IMAGE, variables={"LEVEL": "debug"})
    deployment = await client.create_deployment(request)

    await client.set_variables(project, {"MODE": "two"})

    assert (await client.get_deployment(deployment.id)).variables == {"MODE": "one", "LEVEL": "debug"}


async def test_the_same_key_with_other_variables_is_another_request(client: ControlClient, project: str) -> None:
    def request(mode: str) -> pb.CreateDeploymentRequest:
        return pb.CreateDeploymentRequest(
            project=project, image=IMAGE, idempotency_key="once", variables={"MODE": mode, "LEVEL": "info"}
        )

    first = await client.create_deployment(request("one"))

    assert (await client.create_deployment(request("one"))).id == first.id
    with pytest.raises(Conflict, match="idempotency key 'once'"):
        await client.create_deployment(request("two"))


async def test_bad_names_and_values_are_refused_and_nothing_is_set(client: ControlClient, project: str) -> None:
    for bad in ({"PORT": "1"}, {"INTERLOCK_X": "1"}, {"1A": "1"}, {"A": "a\0b"}, {"A": "x" * 40_000}, {}):
        with pytest.raises(Invalid):
            await client.set_variables(project, {"GOOD": "1"} | bad if bad else bad)
        with pytest.raises(Invalid):
            await client.set_secrets(project, {"GOOD": "1"} | bad if bad else bad)
    with pytest.raises(Invalid, match="PORT is set by interlock itself"):
        await client.create_deployment(
            pb.CreateDeploymentRequest(project=project, image=IMAGE, variables={"PORT": "80"})
        )

    assert not (await client.list_variables(project)).variables
    assert not (await client.list_secrets(project)).secrets


async def test_what_is_unknown_or_another_workspaces_is_not_found(
    client: ControlClient, project: str, installation: Installation
) -> None:
    await client.set_secrets(project, {"TOKEN": SECRET})

    with pytest.raises(NotFound, match="has no environment 'nowhere'"):
        await client.set_variables(project, {"A": "1"}, "nowhere")
    with pytest.raises(NotFound, match="secret GONE is not set"):
        await client.remove_secrets(project, ["GONE"])
    async with installation.client("umbrella") as stranger:
        with pytest.raises(NotFound):
            await stranger.list_secrets(project)
        with pytest.raises(NotFound):
            await stranger.remove_secrets(project, ["TOKEN"])
