from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from triton_embed.serve.errors import TritonError
from triton_embed.serve.stall import PROBE_GRACE_SECONDS, StallDetector, step_cpu_seconds


class VirtualTriton:
    """A model on a virtual clock; a request to it is done after `response_seconds`.

    Args:
        response_seconds: Virtual time until the request is done.
        cores: CPU use of the busy step.
        executions_per_second: Rate at which it finishes executions.
        report_seconds: Virtual time until Triton reports its progress.
        busy_step: The step that makes this progress; the other one waits.
    """

    def __init__(
        self,
        response_seconds: float,
        cores: float = 0.0,
        executions_per_second: float = 0.0,
        report_seconds: float = 0.0,
        busy_step: str = "m_encoder",
    ) -> None:
        self._busy_step = busy_step
        self.seconds = 0.0
        self.inspected: list[str] = []
        self.request: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._response_seconds = response_seconds
        self._cores = cores
        self._rate = executions_per_second
        self._report_seconds = report_seconds

    async def wait(self) -> bool:
        detector = StallDetector(self._execution_count, self._cpu_seconds, self._done_within)
        return await detector.wait(self.request, ["m_tokenizer", "m_encoder"])

    async def _done_within(self, future: asyncio.Future[object], seconds: float) -> bool:
        if future is not self.request:
            if self._report_seconds > seconds:
                return False
            await asyncio.wait([future])
            return True
        if self._response_seconds > self.seconds + seconds:
            self.seconds += seconds
            return False
        self.seconds = self._response_seconds
        return True

    async def _execution_count(self, step: str) -> int:
        self.inspected.append(step)
        return int(self._rate * self.seconds) if step == self._busy_step else 0

    def _cpu_seconds(self, step: str) -> float:
        return self._cores * self.seconds if step == self._busy_step else 0.0


async def test_detector_does_not_inspect_a_step_that_responds_in_time() -> None:
    triton = VirtualTriton(response_seconds=PROBE_GRACE_SECONDS / 2)
    assert await triton.wait()
    assert not triton.inspected


@pytest.mark.parametrize("busy_step", ["m_tokenizer", "m_encoder"])
@pytest.mark.parametrize(
    ("cores", "executions_per_second"),
    [(1.0, 0.0), (0.0, 0.1), (0.2, 1.0)],
    ids=["long execution", "GPU", "many requests"],
)
async def test_detector_waits_for_a_step_that_makes_progress(
    cores: float, executions_per_second: float, busy_step: str
) -> None:
    triton = VirtualTriton(3600, cores, executions_per_second, busy_step=busy_step)
    assert await triton.wait()
    assert set(triton.inspected) == {"m_tokenizer", "m_encoder"}


@pytest.mark.parametrize("cores", [0.0, 0.02])
async def test_detector_gives_up_a_step_that_makes_no_progress(cores: float) -> None:
    triton = VirtualTriton(3600, cores)
    assert not await triton.wait()
    assert triton.seconds == 121


async def test_detector_gives_up_a_triton_that_does_not_report_progress() -> None:
    with pytest.raises(TritonError, match="not reported the progress of m_tokenizer for 120 s"):
        await VirtualTriton(3600, report_seconds=200).wait()


@contextmanager
def process(*arguments: str, cpu_seconds: float = 0.0) -> Iterator[None]:
    """Run a process with these arguments that has used `cpu_seconds` before the block."""
    script = f"import time\nwhile time.process_time() < {cpu_seconds}: pass\nprint(); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        try:
            assert running.stdout and running.stdout.readline()
            yield
        finally:
            running.kill()


def test_cpu_time_of_a_step_is_that_of_its_processes() -> None:
    with ExitStack() as stack:
        stack.enter_context(process("--model-repository=m", cpu_seconds=1.0))
        stack.enter_context(process("prefix", "m_encoder_0_0", cpu_seconds=0.3))
        stack.enter_context(process("prefix", "m_tokenizer_0_0"))
        assert 0.25 <= step_cpu_seconds("m_encoder") < 1.0
        assert step_cpu_seconds("m_tokenizer") < 0.3
        assert step_cpu_seconds("m_in_cpp") >= 0.95
