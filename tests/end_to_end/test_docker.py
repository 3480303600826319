"""An installation on the docker backend: from a source tree to a hostname that answers, through every real part."""

from tests.end_to_end.stack import ROOT, Project, chunked, pack


async def test_a_python_app_without_a_dockerfile_is_built_and_live(docker_project: Project) -> None:
    source = await docker_project.control.upload_source(chunked(pack(ROOT / "examples" / "hello-python")))

    first = await docker_project.deploy("1", source=source)
    command = ["python", "-c", "import os; print('released in', os.getcwd())"]
    again = await docker_project.deploy("1", source=source, release_command=command)

    assert (first.status, again.status) == ("ready", "ready"), (first, again)
    assert again.image == first.image
    line = (await docker_project.control.logs(again.id)).lines[0]
    assert (line.instance_id, line.text) == (f"{again.id}-release", "released in /app")
    assert await docker_project.answers("live") == "1"
