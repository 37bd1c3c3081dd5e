"""The gateway as a process, in front of no Triton."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from testing.paths import ROOT
from testing.ports import free_ports
from testing.waiting import eventually
from triton_embed.runtime import processes

WORKER = "multiprocessing.spawn"
"""Part of the command line of a worker process."""


@contextmanager
def gateway(*flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run a gateway until it is live; it is killed at the end of the block."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "triton_embed", "gateway", "--port", str(port), *flags]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:

        def is_live() -> bool:
            assert process.poll() is None, "the gateway has ended"
            return httpx.get(f"http://127.0.0.1:{port}/v1/health/live").status_code == 200

        try:
            eventually(is_live, message="the gateway is live", ignored=(httpx.TransportError,))
            yield process
        finally:
            process.kill()


def two_workers(gateway: int) -> list[int] | None:
    found = processes.descendants(gateway, command=WORKER)
    return found if len(found) == 2 else None


def test_workers_end_with_a_killed_gateway() -> None:
    with gateway("--workers", "2") as process:
        pids = eventually(partial(two_workers, process.pid), message="two workers run")
        workers = [os.pidfd_open(pid) for pid in pids]
        process.kill()
        for worker in workers:
            assert select.select([worker], [], [], 60)[0]
            os.close(worker)


def test_interrupted_gateway_reports_that_it_stopped() -> None:
    with gateway("--workers", "1") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1].splitlines()[-1] == "stopped"
        assert process.returncode == 130


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--host", "198.51.100.1"],
            "198.51.100.1 is not an address of this machine; change --host",
        ),
        (["--host", "host.invalid"], "'host.invalid' is neither an address nor a known name"),
        (["--triton-tls", "--triton-tls-root-certificate", "none.pem"], "cannot read 'none.pem'"),
        (["--tls-certificate", "none.pem", "--tls-key", "none.pem"], "cannot read 'none.pem'"),
    ],
)
def test_setting_that_cannot_be_used_ends_the_gateway_with_one_line(
    flags: list[str], message: str
) -> None:
    command = [sys.executable, "-m", "triton_embed", "gateway", *flags]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert message in line
