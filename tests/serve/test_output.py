from __future__ import annotations

import asyncio
import logging

import pytest

from triton_embed.serve.output import MAX_LINE_BYTES, OutputRelay, ignored_output


async def relayed(output: bytes, *ignored: str) -> None:
    stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    stream.feed_data(output)
    stream.feed_eof()
    await OutputRelay(logging.getLogger("child"), ignored).run(stream)


async def test_relay_omits_a_line_over_the_limit_and_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "child")
    await relayed(b"x" * (3 * MAX_LINE_BYTES) + b"\nE0101 wrong\n")
    assert caplog.messages == ["(output line over 1 MiB omitted)", "E0101 wrong"]
    assert caplog.records[-1].levelname == "ERROR"


async def test_relay_drops_ignored_and_empty_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "child")
    await relayed(b"an unimportant line\n\nI0101 started\n", "unimportant")
    assert caplog.messages == ["I0101 started"]


async def test_exit_timeout_of_triton_is_not_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "child")
    await relayed(b'E1129 12:00:00.000000 1 server.cc:345] "Exit timeout expired. Exiting."\n')
    assert caplog.records[0].levelname == "INFO"


def test_verbose_output_is_never_ignored() -> None:
    assert ignored_output(verbose=True) == ()
