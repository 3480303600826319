"""The API of an app as users see it: shown as it was served, and compared."""

import json
from typing import Any

import pytest

from services.ctrl.enums import status_of
from services.gen.ctrl.v1 import control_pb2 as pb
from tests.end_to_end.stack import Project

# What is durable of it is a step like any other.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)

TOML = """
[start]
command = ["python3", "app.py"]

[health]
path = "/healthz"

[openapi]
breaking = "refuse"
"""


async def deploy(project: Project, version: str, document: dict[str, Any], **fields: Any) -> tuple[pb.Deployment, str]:
    """Deploy an app that serves a document; returns its text too."""
    text = json.dumps(document)
    source = await project.source(version, files={"openapi.json": text, "interlock.toml": TOML})
    return await project.deploy(version, source=source, **fields), text


def api(**paths: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {f"/{name}": item for name, item in paths.items()}}


async def test_a_document_is_shown_as_it_was_served_and_compared_with_the_one_before(project: Project) -> None:
    cli, item = project.stack.cli, {"get": {}}
    # Larger than a message of gRPC.
    first, served = await deploy(project, "one", api(users=item, orders=item) | {"x-note": "x" * 6_000_000})
    second, _ = await deploy(project, "two", api(users=item, carts=item), openapi_breaking="allow")

    shown = cli("openapi", "show", first.id)
    by_project = cli("openapi", "diff", "-p", project.slug)
    backwards = cli("openapi", "diff", second.id, first.id, "--exit-code", "-o", "json")
    to_live = cli("openapi", "diff", first.id, "--exit-code")

    assert (shown.returncode, shown.stdout == served) == (0, True), shown.stderr
    assert json.loads(cli("openapi", "show", project.slug).stdout)["paths"].keys() == {"/users", "/carts"}
    assert (by_project.returncode, by_project.stdout.splitlines()) == (
        0,
        ["breaking  GET /orders: removed", "          GET /carts: added"],
    )
    assert (to_live.returncode, to_live.stdout) == (7, by_project.stdout)
    assert (backwards.returncode, json.loads(backwards.stdout)) == (
        7,
        [
            {"where": "GET /carts", "what": "removed", "is_breaking": True},
            {"where": "GET /orders", "what": "added", "is_breaking": False},
        ],
    )
    assert cli("openapi", "diff", second.id, second.id).stdout == "no changes\n"


async def test_what_cannot_be_compared_is_refused_in_a_sentence(project: Project) -> None:
    cli = project.stack.cli
    silent = await project.deploy("one", behaviour="redirect")

    without = cli("openapi", "show", silent.id)
    lonely = cli("openapi", "diff", "-p", project.slug)
    nothing = cli("openapi", "diff")

    assert (without.returncode, "does the app serve /openapi.json?" in without.stderr) == (9, True)
    assert (lonely.returncode, "has nothing to compare yet; deploy twice" in lonely.stderr) == (7, True)
    assert (nothing.returncode, "no project is named" in nothing.stderr) == (2, True)


async def test_a_deployment_that_breaks_callers_of_live_is_stopped_before_it_gets_traffic(project: Project) -> None:
    item = {"get": {}}
    await deploy(project, "one", api(users=item, orders=item))

    wider, _ = await deploy(project, "two", api(users=item, orders=item, carts=item))
    narrower, _ = await deploy(project, "three", api(users=item))
    silent = await project.source("four", "redirect", files={"interlock.toml": TOML})
    unknown = await project.deploy("four", source=silent)

    assert status_of(wider) == "ready"
    for refused, reason in (
        (narrower, f"callers of {wider.id} break: GET /carts: removed, and 1 more"),
        (unknown, f"the API cannot be compared with that of {wider.id}: /openapi.json was answered with status 302"),
    ):
        assert (status_of(refused), refused.failure.step) == ("failed", "scrape OpenAPI")
        assert reason in refused.failure.reason
        assert "--openapi-breaking allow" in refused.failure.reason
        await project.assert_gone(refused.id)
    assert (await project.live(), await project.answers("live")) == (wider.id, "two")

    allowed, _ = await deploy(project, "three", api(users=item), openapi_breaking="allow")
    assert (status_of(allowed), await project.answers("live")) == ("ready", "three")
