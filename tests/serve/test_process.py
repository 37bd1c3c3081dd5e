"""`serve.service`: what a program leaves behind, and what it says."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
from collections.abc import Callable

import pytest

from triton_embed.serve.process import MAX_LINE, ProcessSpec, SupervisedProcess


def program(script: str, clean_up: Callable[[], None] = lambda: None) -> ProcessSpec:
    """Return a program in Python that is ready at once and never falls sick."""

    async def ready() -> None:
        pass

    async def never() -> str:
        return str(await asyncio.get_running_loop().create_future())

    return ProcessSpec(
        name="it",
        command=[sys.executable, "-c", script],
        environment={},
        logger=logging.getLogger("it"),
        noise=("unimportant",),
        stop_seconds=10.0,
        until_ready=ready,
        until_sick=never,
        clean_up=clean_up,
    )


async def said(text: str, log: pytest.LogCaptureFixture) -> None:
    while not any(text in message for message in log.messages):
        await asyncio.sleep(0.01)


async def test_a_line_without_end_and_noise_do_not_keep_the_next_from_being_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "it")
    script = f"print('x' * {3 * MAX_LINE}); print('unimportant'); print('E0101 wrong')"
    service = SupervisedProcess(program(script))
    await service.start()
    await asyncio.wait_for(said("wrong", caplog), 30)
    await service.stop()
    assert "(a line too long to show)" in caplog.text
    assert "unimportant" not in caplog.text
    assert caplog.records[-1].levelname == "ERROR"


async def test_of_a_program_that_dies_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "it")
    script = (
        "import os, subprocess as s; "
        "print(s.Popen(['/bin/sleep', '60'], stdout=s.DEVNULL, stderr=s.DEVNULL).pid, flush=True); "
        "os._exit(1)"
    )
    cleaned: list[bool] = []
    service = SupervisedProcess(program(script, lambda: cleaned.append(True)))
    await service.start()
    await asyncio.wait_for(said("", caplog), 30)
    end = os.pidfd_open(int(caplog.messages[0]))
    await service.stop()
    assert select.select([end], [], [], 10)[0]
    os.close(end)
    assert cleaned == [True]
