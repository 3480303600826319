"""Rules for all code in services/, checked here so that no reviewer has to."""

import ast
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from services.config import ROOT, Settings
from tests.pieces import ALONE, KRANE, LONGEST_FIRST, OF_KRANE, REPLAYED

SERVICES = ROOT / "services"
SOURCES = sorted(path for path in SERVICES.rglob("*.py") if "gen" not in path.relative_to(SERVICES).parts)
# Code that runs inside handlers of Restate. Catching all exceptions there would swallow cancels and lost connections.
DURABLE = [path for path in SOURCES if path.relative_to(SERVICES).parts[0] in ("durable", "deployment", "routing")]
# Allowed exceptions to that rule, with the reason.
ALLOWED_CATCH_ALLS = {
    ("durable/saga.py", "logged"): "wraps an effect, inside the step; reports and raises again",
}
# Files that may hold an address open to the network, with the reason.
ALLOWED_OPEN_ADDRESSES = {
    "krane/backends/docker/building/written.py": "apps in containers listen there; krane publishes them on loopback",
}


def trees(paths: list[Path]) -> Iterator[tuple[str, ast.Module]]:
    for path in paths:
        yield path.relative_to(SERVICES).as_posix(), ast.parse(path.read_text())


def names(node: ast.expr | None) -> set[str]:
    """Return the class names of an except clause, without their modules."""
    expressions = node.elts if isinstance(node, ast.Tuple) else [node]
    return {ast.unparse(expression).rpartition(".")[2] for expression in expressions if expression is not None}


def test_there_are_sources_to_check() -> None:
    assert SOURCES
    assert DURABLE


@pytest.mark.parametrize("forbidden", ["os.system", "os.popen", "subprocess.getoutput", "create_subprocess_shell"])
def test_no_command_goes_through_a_shell(forbidden: str) -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).endswith(forbidden)
    ]

    assert found == []


def test_no_process_is_started_with_a_shell() -> None:
    found = [
        f"{name}:{node.value.lineno}"
        for name, tree in trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "shell"
    ]

    assert found == []


def test_nothing_is_caught_without_saying_what() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and (node.type is None or "BaseException" in names(node.type))
    ]

    assert found == []


def test_durable_code_catches_no_exception_at_large() -> None:
    """`except Exception` would catch the SDK's DisconnectedException, and undo what Restate is about to resume."""
    found = {
        (name, function.name)
        for name, tree in trees(DURABLE)
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and "Exception" in names(node.type) and _innermost(function, node)
    }

    assert found == set(ALLOWED_CATCH_ALLS)


def test_workflows_take_neither_time_nor_chance_nor_environment_from_outside_of_steps() -> None:
    forbidden = re.compile(r"\b(time\.(time|monotonic)|datetime\.now|uuid4|random\.|secrets\.|os\.environ)")
    workflows = [SERVICES / "deployment" / name for name in ("workflow.py", "rollback.py", "serving.py", "service.py")]
    handlers = [*workflows, SERVICES / "routing" / "service.py", SERVICES / "durable" / "saga.py"]

    found = [path.name for path in handlers if forbidden.search(path.read_text())]

    assert found == []


def test_nothing_is_left_to_do() -> None:
    marker = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")

    found = [path.name for path in SOURCES if marker.search(path.read_text())]

    assert found == []


def test_every_listener_is_on_loopback_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("INTERLOCK_")]:
        monkeypatch.delenv(variable)
    settings = Settings()

    groups = {name: group for name, group in settings.model_dump().items() if isinstance(group, dict)}
    hosts = {name: group["host"] for name, group in groups.items() if "host" in group}

    assert set(hosts) >= {"endpoint", "krane", "gateway", "ctrl"}
    assert all(ip_address(host).is_loopback for host in hosts.values())


def test_no_source_names_an_address_that_is_open_to_the_network() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees(SOURCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_open(node.value)
        if name not in ALLOWED_OPEN_ADDRESSES
    ]

    assert found == []


def _is_open(text: str) -> bool:
    return "0.0.0.0" in text or text in ("::", "[::]") or text.startswith("[::]:")


def _innermost(function: ast.AsyncFunctionDef, node: ast.ExceptHandler) -> bool:
    """Return whether the node is in `function` itself, and not in a nested function."""
    inner = (
        f for f in ast.walk(function) if isinstance(f, ast.AsyncFunctionDef | ast.FunctionDef) and f is not function
    )
    return not any(node in ast.walk(f) for f in inner)


def test_every_test_that_the_documentation_names_exists() -> None:
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", (ROOT / "docs" / "known-mistakes.md").read_text())

    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]

    assert len(named) > 28
    assert missing == []


def test_every_fault_is_listed_with_tests_that_exist_or_what_it_waits_for() -> None:
    listed = (ROOT / "docs" / "faults.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in listed.splitlines() if row.startswith("| F")}
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", listed)

    unproved = [fault for fault, row in rows.items() if "::test_" not in row and "not yet" not in row]
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]

    assert list(rows) == [f"F{number}" for number in range(1, 33)]
    assert unproved == []
    assert missing == []


def test_every_part_of_the_suite_that_its_pieces_name_exists() -> None:
    folders = [f"tests/{piece}" for piece in LONGEST_FIRST if piece not in (KRANE, REPLAYED, *ALONE)]

    missing = [path for path in (*OF_KRANE, *ALONE, *folders) if not (ROOT / path).exists()]

    assert folders
    assert missing == []
