from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from triton_embed.runtime import processes

NO_SUCH_PROCESS = 2**22
"""Above Linux' largest process id."""


@contextmanager
def python(script: str, *arguments: str) -> Iterator[int]:
    """Run a Python script that prints a line once its work is done; yield its process id."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}\nprint(flush=True); input()", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_descendants_are_found_by_their_command_line() -> None:
    nested = "import subprocess; child = subprocess.Popen(['/bin/sleep', '60'])"
    with python(nested, "marker one", "tiny_encoder_0_0") as pid:
        assert processes.descendants(command="marker one tiny_encoder_") == [pid]
        (sleep,) = processes.descendants(pid)
        assert processes.descendants(os.getpid(), command="/bin/sleep 60") == [sleep]
        assert processes.descendants(pid, command="marker") == []
        os.kill(sleep, 9)


def test_cpu_seconds_are_those_of_the_named_processes() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    with python(busy) as working, python("") as idle:
        assert processes.cpu_seconds(working) >= 0.25  # counted in ticks of 10 ms
        total = processes.cpu_seconds(working, idle)
        assert total == processes.cpu_seconds(working) + processes.cpu_seconds(idle)


def test_memory_of_a_process_includes_its_allocations() -> None:
    with python("block = b'x' * (64 << 20)") as pid:
        assert processes.rss_bytes(pid) >= 64 << 20
        assert processes.tree_rss_bytes(pid) == processes.rss_bytes(pid)
        assert 64 << 20 <= processes.pss_bytes(pid) <= processes.rss_bytes(pid)


def test_peak_memory_stays_after_memory_is_freed() -> None:
    script = (
        "from triton_embed.runtime import processes; block = b'x' * (64 << 20); del block; "
        "assert processes.peak_rss_bytes() > 64 << 20"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "measure", [processes.cpu_seconds, processes.rss_bytes, processes.pss_bytes]
)
def test_ended_process_counts_zero(measure: Callable[[int], float]) -> None:
    assert measure(NO_SUCH_PROCESS) == 0
    assert processes.descendants(NO_SUCH_PROCESS) == []
