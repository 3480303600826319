"""The settings of a deployment when it is recorded, and when its image is there."""

import pytest

from services.db.deployment_requests import DeploymentRequest, record_deployment
from services.db.deployment_settings import read_effective
from services.db.deployments import Metadata, fetch_metadata, set_image
from services.db.engine import Database
from services.db.project_settings import change_settings
from services.db.projects import find_environment, find_project
from services.db.recorded_environment import load_environment
from services.db.secrets import set_secrets
from services.db.tables import Deployment, Project
from services.db.variables import set_variables
from services.domain.errors import Invalid
from services.domain.settings import RunSettings
from services.keyring import Sealed
from tests.builders import add_project

IMAGE = "artifact@sha256:" + "a" * 64
SOURCE = "source@sha256:" + "b" * 64


@pytest.fixture
async def project(database: Database) -> Project:
    """Project api in workspace acme."""
    return await add_project(database)


async def record(
    database: Database, settings: RunSettings, *, image: str | None = None, variables: dict[str, str] | None = None
) -> str:
    request = DeploymentRequest(
        workspace="acme",
        project="api",
        environment="production",
        source=None if image else SOURCE,
        image=image,
        branch="main",
        commit_sha="",
        message="",
        settings=settings,
        variables=variables or {},
    )
    async with database.write() as session:
        return await record_deployment(session, request, None)


async def change_project(database: Database, settings: RunSettings) -> None:
    async with database.write() as session:
        change_settings(await find_project(session, "acme", "api"), settings)


async def effective(database: Database, project: Project, deployment_id: str) -> Metadata:
    async with database.read() as session:
        return await fetch_metadata(session, project.id, deployment_id)


async def test_the_source_has_its_say_when_the_image_is_there_and_only_where_nobody_else_had(
    database: Database, project: Project
) -> None:
    await change_project(database, RunSettings(memory_mib=128, stop_seconds=20, release_command=("./project",)))
    deployment_id = await record(database, RunSettings(stop_seconds=30, command=("./request",)))
    await change_project(database, RunSettings(memory_mib=64, port=1111))
    said = RunSettings(replicas=2, memory_mib=96, health_path="/up", stop_seconds=10, release_command=("./source",))

    for _ in range(2):
        async with database.write() as session:
            await set_image(session, deployment_id, IMAGE, said, {})

        found = await effective(database, project, deployment_id)
        assert (found.image, found.run.replicas, found.run.cpu_millicores, found.run.memory_mib) == (IMAGE, 2, 250, 128)
        assert (found.run.health_path, found.run.port, found.run.stop_seconds) == ("/up", 0, 30)
        assert (found.run.release_command, found.run.command) == (("./project",), ("./request",))


@pytest.mark.parametrize("says_none", ["request", "project"])
async def test_no_release_command_wins_over_one_of_the_source(
    database: Database, project: Project, says_none: str
) -> None:
    none, some = RunSettings(release_command=()), RunSettings(release_command=("./somebody",))
    await change_project(database, none if says_none == "project" else some)
    deployment_id = await record(database, none if says_none == "request" else RunSettings())
    await change_project(database, some)

    async with database.write() as session:
        await set_image(session, deployment_id, IMAGE, RunSettings(release_command=("./source",)), {})

    assert (await effective(database, project, deployment_id)).run.release_command == ()


async def test_an_image_is_settled_at_once(database: Database, project: Project) -> None:
    given = RunSettings(replicas=3, port=9000, release_command=("./migrate", "a b"))

    deployment_id = await record(database, given, image=IMAGE)

    found = await effective(database, project, deployment_id)
    assert (found.run.replicas, found.run.memory_mib, found.run.port) == (3, 512, 9000)
    assert found.run.release_command == ("./migrate", "a b")


async def test_variables_of_the_source_are_the_last_that_count(database: Database, project: Project) -> None:
    async with database.write() as session:
        environment = (await find_environment(session, project, "production")).id
        await set_variables(session, environment, {"LEVEL": "environment"}, updated_by="")
        await set_secrets(session, environment, {"TOKEN": Sealed(key_id="k", ciphertext=b"t")}, created_by="")
    deployment_id = await record(database, RunSettings(), variables={"MINE": "request"})
    said = {"LEVEL": "source", "TOKEN": "source", "MINE": "source", "MODE": "source"}

    for _ in range(2):
        async with database.write() as session:
            await set_image(session, deployment_id, IMAGE, RunSettings(), said)

    async with database.read() as session:
        kept = await load_environment(session, deployment_id)
    assert kept.variables == {"LEVEL": "environment", "MINE": "request", "MODE": "source"}
    assert [row.name for row in kept.secrets] == ["TOKEN"]


async def test_too_many_variables_are_refused_and_nothing_is_settled(database: Database, project: Project) -> None:
    deployment_id = await record(database, RunSettings(), variables={f"V{n}": "" for n in range(150)})

    with pytest.raises(Invalid, match="201 variables are too many"):
        async with database.write() as session:
            await set_image(session, deployment_id, IMAGE, RunSettings(replicas=2), {f"W{n}": "" for n in range(51)})

    async with database.read() as session:
        row = await session.get_one(Deployment, deployment_id)
    assert (row.image, read_effective(row).replicas, len(row.variables)) == (None, 1, 150)
