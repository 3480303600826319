"""Ports that krane holds for instances."""

import asyncio
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from services.krane.backends.process.ports import PORTS, HeldPorts
from services.krane.backends.supervision.supervised import CommandSpec, SupervisedProcess

KERNELS_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.fixture
def ports() -> Generator[HeldPorts]:
    ports = HeldPorts()
    yield ports
    ports.close()


def test_a_port_can_be_had_again(ports: HeldPorts) -> None:
    first = ports.hold(0)
    ports.release(first)

    assert ports.hold(first.number).number == first.number


def test_a_port_is_held_for_one_instance_of_all_installations_on_this_machine(ports: HeldPorts) -> None:
    other = HeldPorts()
    first = ports.hold(0)

    assert ports.hold(first.number).number != first.number
    assert other.hold(first.number).number != first.number
    other.close()


def test_a_program_that_sets_no_option_can_bind_the_port_at_every_address(ports: HeldPorts) -> None:
    port = ports.hold(0)
    port.guard()
    with pytest.raises(OSError, match="in use"), socket.socket() as program:
        program.bind(("127.0.0.1", port.number))

    port.open()

    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "")):
        with socket.socket(family) as program:
            program.bind((address, port.number))


def test_nobody_who_asks_for_any_port_gets_one_of_an_instance(ports: HeldPorts) -> None:
    first, last = map(int, KERNELS_PORTS.read_text().split())
    if first <= PORTS.start and last >= 65_535:
        pytest.skip("this machine's kernel may give any port")

    assert not first <= ports.hold(0).number <= last


def test_a_port_on_which_somebody_listens_is_not_taken(ports: HeldPorts) -> None:
    free = ports.hold(0)
    ports.release(free)
    with socket.create_server(("127.0.0.1", free.number)):
        assert ports.hold(free.number).number != free.number


async def test_the_supervisor_of_a_run_holds_its_port_after_krane_is_gone(ports: HeldPorts, tmp_path: Path) -> None:
    port, process = ports.hold(0), SupervisedProcess(tmp_path / "run")
    program = "import time; print('began', flush=True); time.sleep(3600)"
    command = CommandSpec(
        arguments=(sys.executable, "-S", "-c", program),
        environment={},
        working_directory=tmp_path,
        log=tmp_path / "log",
        stop_grace_seconds=1,
        port=port.number,
    )
    await process.start(command, port.lock.fileno())
    ports.release(port)

    while_it_runs = ports.hold(port.number)
    await process.stop()
    afterwards = ports.hold(port.number)

    assert (while_it_runs.number != port.number, afterwards.number) == (True, port.number)


async def test_the_command_of_a_run_does_not_inherit_the_lock(ports: HeldPorts, tmp_path: Path) -> None:
    process = SupervisedProcess(tmp_path / "run")
    port = ports.hold(0)
    command = CommandSpec(
        arguments=("ls", "/proc/self/fd"),
        environment={"PATH": "/usr/bin:/bin"},
        working_directory=tmp_path,
        log=tmp_path / "log",
        stop_grace_seconds=1,
        port=port.number,
    )

    await process.start(command, port.lock.fileno())
    await process.wait()

    lines = await asyncio.to_thread((tmp_path / "log").read_text)
    # The last one is the folder that ls reads.
    assert [line.split()[1] for line in lines.splitlines()] == ["0", "1", "2", "3"]
