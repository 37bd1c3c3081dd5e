"""CoDel: a burst is not a standing queue."""

from __future__ import annotations

from triton_embed.gateway.scheduling.codel import INTERVAL_TARGETS, CoDel

TARGET = 2.0
INTERVAL = INTERVAL_TARGETS * TARGET


def test_queue_that_becomes_short_within_an_interval_is_not_standing() -> None:
    codel = CoDel(TARGET)
    codel.update(100.0, now=0.0)
    codel.update(TARGET, now=INTERVAL - 1)
    codel.update(100.0, now=INTERVAL)
    codel.update(100.0, now=2 * INTERVAL - 1)
    assert not codel.rejects(100.0)


def test_queue_above_the_target_for_an_interval_is_standing() -> None:
    codel = CoDel(TARGET)
    codel.update(TARGET + 1, now=0.0)
    codel.update(TARGET + 1, now=INTERVAL + 0.1)
    assert codel.rejects(TARGET + 1)
    assert not codel.rejects(TARGET)


def test_standing_ends_below_half_the_target() -> None:
    codel = CoDel(TARGET)
    codel.update(TARGET + 1, now=0.0)
    codel.update(TARGET + 1, now=INTERVAL + 0.1)
    codel.update(TARGET, now=INTERVAL + 0.2)
    assert codel.rejects(TARGET + 1)
    codel.update(TARGET / 2, now=INTERVAL + 0.3)
    assert not codel.rejects(TARGET + 1)
