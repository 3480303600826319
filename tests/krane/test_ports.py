"""Ports that krane holds for instances."""

import socket

from services.krane.backends.process.ports import HeldPorts
from services.krane.backends.supervision.shim import reserve_port


def test_a_port_can_be_had_again() -> None:
    ports = HeldPorts()
    with ports.hold(0) as first:
        pass

    with ports.hold(first) as again:
        assert again == first


def test_a_port_is_held_for_one_instance_only() -> None:
    ports = HeldPorts()

    with ports.hold(0) as first, ports.hold(first) as second:
        assert second != first


def test_the_supervisor_of_a_run_takes_the_port_that_krane_holds() -> None:
    with HeldPorts().hold(0) as held, reserve_port(held) as reservation:
        assert reservation.getsockname()[1] == held


def test_a_port_on_which_somebody_listens_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]

        with HeldPorts().hold(taken) as held:
            assert held != taken
