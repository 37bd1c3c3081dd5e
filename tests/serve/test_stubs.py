from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from testing.waiting import eventually_async
from triton_embed.serve.stubs import PROGRAM, StubWatcher, instance_of, running_stubs

COMMAND = [
    *("/tmp/x/python/triton_python_backend_stub", "/m/m_encoder/1/model.onnx"),
    *("triton_embed_8808143f477a_93ddf81d-d597-4bb9-b59c-9f2cbbca6854", "1048576", "1048576"),
    *("27961", "/tmp/x/python", "336", "m_encoder_0_1", "/tmp/x/onnxruntime"),
]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the command line of a stub of ``m_encoder``, until its input ends."""
    script = "import sys; sys.stdin.read()"
    arguments = [sys.executable, "-c", script, PROGRAM, "m_encoder_0_1"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def test_instance_is_read_from_the_command_line_of_a_stub() -> None:
    assert instance_of(COMMAND) == "m_encoder_0_1"
    assert instance_of(COMMAND[:8]) is None


def test_running_stubs_are_those_below_this_process(process: subprocess.Popen[bytes]) -> None:
    assert running_stubs()[process.pid] == "m_encoder_0_1"


class Ends:
    """The steps that a watcher has reported."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.reported = asyncio.Event()

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        self.reported.set()


async def test_killed_stub_is_reported(process: subprocess.Popen[bytes]) -> None:
    ends = Ends()
    watcher = StubWatcher(ends)
    assert watcher.refresh() == {"m_encoder"}
    process.kill()
    await asyncio.wait_for(ends.reported.wait(), 60)
    assert ends.steps == ["m_encoder"]
    watcher.close()


async def test_replaced_stub_is_not_reported(process: subprocess.Popen[bytes]) -> None:
    ends = Ends()
    old = {process.pid: "m_encoder_0_1", os.getpid(): "m_tokenizer_0_0"}
    stubs = dict(old)
    watcher = StubWatcher(ends, lambda: stubs)
    watcher.refresh()
    # Another process runs the instance now.
    stubs = {**old, os.getppid(): "m_encoder_0_1"}
    watcher.refresh()
    process.kill()

    async def is_forgotten() -> bool:
        return process.pid not in watcher._watched

    await eventually_async(is_forgotten, message="the end is noticed")
    assert not ends.steps
    watcher.close()


async def test_stub_that_ends_before_it_is_watched_is_not_reported() -> None:
    ends = Ends()
    watcher = StubWatcher(ends, lambda: {2**22 + 1: "m_encoder_0_1"})
    watcher.refresh()
    watcher.close()
    assert not ends.steps
