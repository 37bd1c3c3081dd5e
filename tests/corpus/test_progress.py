from __future__ import annotations

import asyncio
from io import StringIO

import pytest

from triton_embed.corpus import progress as module
from triton_embed.corpus.progress import Progress, duration


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_line_has_share_rates_and_time_left() -> None:
    clock = Clock()
    progress = Progress(StringIO(), clock=clock)
    assert progress.line() == "  0% | 0 rows | 0 texts/s | 0 tokens/s | ETA ?"
    progress.read(0.5)
    progress.embedded(0, 0)
    clock.now = 10.0
    progress.read(0.6)
    progress.embedded(100, 2000)
    assert progress.line() == " 60% | 100 rows | 10 texts/s | 200 tokens/s | ETA 0:40"


@pytest.mark.parametrize(("stream", "text"), [(Terminal(), "██████████·"), (StringIO(), " 50% |")])
async def test_progress_is_printed_until_the_end(
    stream: StringIO, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(module, "REPORT_INTERVAL_SECONDS", 0.0)
    progress = Progress(stream)
    progress.read(0.5)
    showing = asyncio.ensure_future(progress.show())
    while text not in stream.getvalue():
        await asyncio.sleep(0)
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)


def test_duration_has_hours_only_if_necessary() -> None:
    assert [duration(each) for each in (0.4, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
