"""What `interlock doctor` finds out on this machine."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.config import LOOPBACK, Settings
from services.domain.diagnosis import Finding, Verdict
from services.files import hold_lock
from services.runtime.doctor import diagnose
from services.runtime.ports import choose_ports


@pytest.fixture(autouse=True)
def _ports_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused: Settings) -> None:
    """Nobody else on this machine uses these ports."""
    monkeypatch.setenv("INTERLOCK_GATEWAY__PORT", str(unused.gateway.port))
    monkeypatch.setenv("INTERLOCK_GATEWAY__ENVOY_ADMIN_PORT", str(unused.gateway.envoy_admin_port))
    monkeypatch.setenv("INTERLOCK_GATEWAY__XDS_PORT", str(unused.gateway.xds_port))
    monkeypatch.setenv("INTERLOCK_GATEWAY__AGENT_PORT", str(unused.gateway.agent_port))
    monkeypatch.setenv("INTERLOCK_KRANE__PORT", str(unused.krane.port))
    monkeypatch.setenv("INTERLOCK_CTRL__PORT", str(unused.ctrl.port))
    monkeypatch.setenv("INTERLOCK_CTRL__GRPC_PORT", str(unused.ctrl.grpc_port))
    monkeypatch.setenv("INTERLOCK_ENDPOINT__PORT", str(unused.endpoint.port))
    monkeypatch.setenv("INTERLOCK_RESTATE__INGRESS_URL", unused.restate.ingress_url)
    monkeypatch.setenv("INTERLOCK_RESTATE__ADMIN_URL", unused.restate.admin_url)
    monkeypatch.setenv("INTERLOCK_RESTATE__NODE_PORT", str(unused.restate.node_port))


@pytest.fixture
async def unused(tmp_path: Path) -> Settings:
    return await choose_ports(Settings(data_dir=tmp_path), auto=True)


def found(data_dir: Path) -> Mapping[str, Finding]:
    return {finding.name: finding for finding in diagnose(data_dir)}


def test_a_machine_on_which_nothing_runs_is_fit(tmp_path: Path) -> None:
    findings = found(tmp_path / "new" / "data")

    assert [name for name, finding in findings.items() if finding.verdict is Verdict.FAILURE] == []
    assert findings["parts"].next == "start it with `interlock up`"
    assert "restate-server" in findings["restate"].found
    assert findings["envoy"].found.startswith("envoy 1.")
    assert not (tmp_path / "new").exists()


def test_a_port_of_another_program_is_named(tmp_path: Path, unused: Settings) -> None:
    with socket.create_server((LOOPBACK, unused.gateway.port)):
        finding = found(tmp_path)["ports"]

    assert (finding.verdict, finding.found) == (
        Verdict.FAILURE,
        f"in use by another program: {unused.gateway.port} (gateway)",
    )


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "envoy/envoy/_bin").mkdir(parents=True)
    broken = tmp_path / "envoy/envoy/_bin/envoy"
    broken.write_text("#!/bin/sh\necho out of luck\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("INTERLOCK_TOOLS_DIR", str(tmp_path))
    monkeypatch.setenv("INTERLOCK_KRANE__BACKEND", "docker")
    monkeypatch.setenv("INTERLOCK_KRANE__DOCKER_SOCKET", str(tmp_path / "none.sock"))

    findings = found(tmp_path)

    assert {name for name, finding in findings.items() if finding.verdict is Verdict.FAILURE} == {
        "restate",
        "envoy",
        "docker",
    }
    assert "ended with code 3: out of luck" in findings["envoy"].found
    assert all(findings[name].next for name in ("restate", "envoy", "docker"))


def test_a_variable_that_is_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_GATEWAY__PORT", "http")

    (finding,) = diagnose(tmp_path)

    assert (finding.verdict, "INTERLOCK_GATEWAY__PORT" in finding.found) == (Verdict.FAILURE, True)


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert found(tmp_path / "data")["data"].verdict is Verdict.FAILURE


def test_an_installation_that_starts_is_waited_for(tmp_path: Path) -> None:
    with hold_lock(tmp_path / "up.lock", str):
        findings = found(tmp_path)

    assert (findings["parts"].verdict, findings["ports"].found) == (Verdict.WARNING, "in use by this installation")
    assert "have been healthy" in findings["parts"].found
