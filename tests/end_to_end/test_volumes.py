"""Volumes: what is written there stays over deployments, for each environment by itself."""

import asyncio
import json

from services.ctrl.enums import status_of
from tests.end_to_end.stack import Project

TOML = '[start]\ncommand = ["python3", "app.py"]\n[volumes]\ndata = "/app/data"\n'
# Fails unless it finds as many notes as expected, its own included.
COUNT = """
import os, pathlib
notes = pathlib.Path("data/notes")
with notes.open("a") as file:
    file.write("x")
assert pathlib.Path(os.environ["INTERLOCK_VOLUME_DATA"], "notes").samefile(notes)
raise SystemExit(len(notes.read_text()) != int(os.environ["EXPECTED"]))
"""


async def test_a_volume_of_the_source_is_kept_for_each_environment(project: Project) -> None:
    for version, environment, expected in (("one", "production", 1), ("two", "production", 2), ("three", "preview", 1)):
        files = {"interlock.toml": TOML, "count.py": COUNT}
        deployment = await project.deploy(
            version,
            environment=environment,
            source=await project.source(version, files=files),
            release_command=["python3", "count.py"],
            variables={"EXPECTED": str(expected)},
        )

        assert status_of(deployment) == "ready", deployment
        assert list(deployment.volumes) == ["data=/app/data"]

    looked = await asyncio.to_thread(project.stack.cli, "run", project.slug, "--", "cat", "data/notes")
    assert (looked.returncode, looked.stdout.strip()) == (0, "xx")

    listed = await asyncio.to_thread(project.stack.cli, "-o", "json", "volumes", "ls", "-p", project.slug)
    refused = await asyncio.to_thread(project.stack.cli, "volumes", "rm", "data", "-p", project.slug)
    volumes = json.loads(listed.stdout)["volumes"]
    assert sorted((volume["environment"], volume["name"]) for volume in volumes) == [
        ("preview", "data"),
        ("production", "data"),
    ]
    assert refused.returncode != 0
    assert "volume data is used by d_" in refused.stderr
