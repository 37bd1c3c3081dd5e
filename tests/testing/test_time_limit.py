from __future__ import annotations

import signal

import pytest

from testing import time_limit


@pytest.mark.timeout(600, method="signal")
def test_restart_grants_the_whole_limit() -> None:
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    time_limit.restart()
    again, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left < again <= 600
