from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from testing.waiting import eventually_async
from triton_embed.serve.errors import ServeError
from triton_embed.serve.output import OutputRelay
from triton_embed.serve.process import ProcessSpec, SupervisedProcess


async def immediately() -> None:
    pass


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def never() -> str:
    await forever()
    return ""


def spec(
    command: Sequence[str], output: OutputRelay | None, clean_up: Callable[[], None] = lambda: None
) -> ProcessSpec:
    """Return a process that is ready immediately and never unhealthy."""
    return ProcessSpec(
        name="it",
        command=command,
        environment={},
        output=output,
        stop_timeout_seconds=10.0,
        wait_ready=immediately,
        wait_unhealthy=never,
        on_lost=lambda reason: None,
        clean_up=clean_up,
    )


async def test_stopped_process_leaves_no_child_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "it")
    script = (
        "import os, subprocess as s; "
        "print(s.Popen(['/bin/sleep', '60'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid, flush=True); "
        "os._exit(1)"
    )
    cleaned: list[bool] = []
    relay = OutputRelay(logging.getLogger("it"))
    command = [sys.executable, "-c", script]
    process = SupervisedProcess(spec(command, relay, lambda: cleaned.append(True)))
    await process.start()

    async def child() -> int:
        return int(caplog.messages[0]) if caplog.messages else 0

    end = os.pidfd_open(await eventually_async(child, message="the child's process id is logged"))
    await process.stop()
    assert select.select([end], [], [], 60)[0]
    os.close(end)
    assert cleaned == [True]


async def test_missing_program_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    missing = replace(spec(["/nowhere/tritonserver"], None), wait_ready=forever)
    process = SupervisedProcess(missing)
    with pytest.raises(ServeError, match=r"it ended before it was ready \(exit status 127\)"):
        await process.start()
    assert "cannot run /nowhere/tritonserver: No such file" in capfd.readouterr().err
