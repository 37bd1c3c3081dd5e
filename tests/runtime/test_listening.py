from __future__ import annotations

import socket

import pytest

from testing.ports import free_ports
from triton_embed.runtime.listening import ListenError, bound_sockets

OPTIONS = ("--port", "--host")


def can_connect(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=60).close()
    except OSError:
        return False
    return True


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="the machine has no IPv6")
@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        (("127.0.0.1",), {"127.0.0.1"}),
        (("::",), {"127.0.0.1", "::1"}),
        (("::", "127.0.0.1"), {"127.0.0.1", "::1"}),
        (("127.0.0.1", "::1"), {"127.0.0.1", "::1"}),
        (("::1",), {"::1"}),
    ],
)
def test_hosts_are_reached_by_their_addresses(hosts: tuple[str, ...], reached: set[str]) -> None:
    (port,) = free_ports(1)
    sockets = bound_sockets(hosts, port, *OPTIONS)
    for sock in sockets:
        sock.listen()
    assert {host for host in ("127.0.0.1", "::1") if can_connect(host, port)} == reached
    for sock in sockets:
        sock.close()


def test_port_in_use_is_rejected_with_the_option_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=rf"port {port} on 127.0.0.1 is in use; .* --port"):
            bound_sockets(["127.0.0.1"], port, *OPTIONS)


@pytest.mark.parametrize("host", ["198.51.100.1", "host.invalid", "a b", "x" * 300])
def test_host_that_is_not_of_this_machine_is_rejected(host: str) -> None:
    with pytest.raises(ListenError, match=r"change --host"):
        bound_sockets(["127.0.0.1", host], 1 + free_ports(1)[0], *OPTIONS)
