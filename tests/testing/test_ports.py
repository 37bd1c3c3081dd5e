from __future__ import annotations

import socket
import subprocess
import sys

from testing import ports
from testing.paths import ROOT


def test_ports_are_reserved_once_per_process() -> None:
    first, second = ports.free_ports(20), ports.free_ports(20)
    assert len({*first, *second}) == 40


def test_reserved_port_can_be_bound() -> None:
    (port,) = ports.free_ports(1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))


def test_port_reserved_here_is_not_free_for_another_process() -> None:
    (port,) = ports.free_ports(1)
    script = (
        f"from testing import ports; ports.PORTS = range({port}, {port + 1}); ports.free_ports(1)"
    )
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "fewer than 1 free ports" in other.stderr
