"""Free TCP ports on loopback, reserved for this process."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

PORTS = range(20000, 32000)
"""Candidates. Below the kernel's ephemeral ports (from 32768), so that no outgoing connection
takes one between the reservation and the server's start."""

LOCK_FOLDER = Path(tempfile.gettempdir()) / "triton-embed-ports"
"""Holds a lock file for each reserved port, shared by all test processes of the machine."""

_locks: list[int] = []
"""Open lock files. The kernel releases the locks when this process ends."""


def free_ports(count: int) -> list[int]:
    """Reserve `count` ports until this process ends.

    Other processes that use this function do not get them, and nothing listens on them now.

    Raises:
        RuntimeError: Too few ports are free.
    """
    LOCK_FOLDER.mkdir(exist_ok=True)
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == count:
            break
        if _reserve(port):
            ports.append(port)
    if len(ports) < count:
        raise RuntimeError(f"fewer than {count} free ports between {PORTS[0]} and {PORTS[-1]}")
    return ports


def _reserve(port: int) -> bool:
    lock = os.open(LOCK_FOLDER / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        os.close(lock)
        return False
    _locks.append(lock)
    return True
