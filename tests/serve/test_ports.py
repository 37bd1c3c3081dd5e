from __future__ import annotations

import socket
import threading

import pytest

from testing.ports import free_ports
from triton_embed.serve import ports
from triton_embed.serve.errors import ServeError
from triton_embed.serve.settings import DefaultPort, Settings


def settings(**given: int) -> Settings:
    """Return settings whose other ports are free and set."""
    names = ("port", "triton_grpc_port", "triton_metrics_port", "status_port")
    free = dict(zip(names, free_ports(len(names)), strict=True))
    return Settings(**{**free, **given})  # type: ignore[arg-type]


def default_ports(count: int) -> list[DefaultPort]:
    return [DefaultPort(port) for port in free_ports(count)]


def test_default_port_in_use_is_replaced() -> None:
    (port,) = default_ports(1)
    taken = socket.create_server(("127.0.0.1", port))
    with taken, ports.reserved(settings(triton_grpc_port=port)) as chosen:
        assert chosen.triton_grpc_port > port
        assert (chosen.triton_grpc_port - port) % ports.STEP == 0
        assert chosen.triton_grpc == f"127.0.0.1:{chosen.triton_grpc_port}"


def test_free_default_port_is_kept() -> None:
    (port,) = default_ports(1)
    with ports.reserved(settings(status_port=port)) as chosen:
        assert chosen.status_port == port


def test_port_that_another_start_has_chosen_is_not_chosen_again() -> None:
    (port,) = default_ports(1)
    first = ports.reserved(settings(triton_metrics_port=port))
    second = ports.reserved(settings(triton_metrics_port=port))
    with first as one, second as other:
        assert one.triton_metrics_port == port != other.triton_metrics_port
    with ports.reserved(settings(triton_metrics_port=port)) as later:
        assert later.triton_metrics_port == port


def test_default_port_avoids_a_port_that_is_set() -> None:
    (port,) = free_ports(1)
    with ports.reserved(settings(port=port, status_port=DefaultPort(port))) as chosen:
        assert chosen.port == port != chosen.status_port


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("port", "--port"),
        ("triton_grpc_port", "--triton-grpc-port"),
        ("triton_metrics_port", "--triton-metrics-port"),
        ("triton_http_port", "--triton-http-port"),
        ("status_port", "--status-port"),
    ],
)
def test_set_port_in_use_is_rejected_with_its_option(name: str, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        reservation = ports.reserved(settings(**{name: port}))
        error = f"port {port} .* is in use; .* {option}$"
        with pytest.raises(ServeError, match=error), reservation:
            pass


def test_default_port_of_the_gateway_is_not_replaced() -> None:
    assert not isinstance(Settings().port, DefaultPort)


def test_port_set_twice_is_rejected_with_both_options() -> None:
    (port,) = free_ports(1)
    twice = ports.reserved(settings(port=port, triton_http_port=port))
    with pytest.raises(ServeError, match=f"--port and --triton-http-port are both {port}"), twice:
        pass


def test_host_of_another_machine_is_rejected() -> None:
    elsewhere = Settings(triton_host="198.51.100.1", gateway=False)
    with pytest.raises(ServeError, match="change --triton-host"), ports.reserved(elsewhere):
        pass


def test_port_of_a_killed_service_is_waited_for() -> None:
    (port,) = default_ports(1)
    taken = socket.create_server(("127.0.0.1", port))
    timer = threading.Timer(0.2, taken.close)
    timer.start()
    with ports.reserved(settings(triton_grpc_port=port), after_kill=True) as chosen:
        assert chosen.triton_grpc_port == port
    timer.join()
