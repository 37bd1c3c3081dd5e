from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from triton_embed.client.retry import MAX_PAUSE_SECONDS, pause_seconds


def pause(failures: int, *, retry_after: str | None = None, draw: float = 0.0) -> float:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return pause_seconds(failures, headers, lambda: draw)


def test_pause_doubles_with_each_failure_up_to_the_maximum() -> None:
    assert [pause(failures, draw=1.0) for failures in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert pause(1000, draw=1.0) == MAX_PAUSE_SECONDS
    assert pause(1) == 0.5


def test_retry_after_is_at_least_the_stated_time() -> None:
    assert pause(5, retry_after="3") == 3.0
    assert 3.0 < pause(5, retry_after="3", draw=0.5) < 4.0
    assert pause(1, retry_after="9999") == MAX_PAUSE_SECONDS


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=20), usegmt=True)
    assert 15 < pause(1, retry_after=date) <= 20


@pytest.mark.parametrize("value", ["soon", "", "nan", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
def test_malformed_retry_after_is_ignored(value: str) -> None:
    assert pause(1, retry_after=value) == pause(1)
