from __future__ import annotations

import pytest

from testing.waiting import eventually, eventually_async


def test_eventually_returns_the_first_true_value() -> None:
    values = iter([None, 0, "", "found", "later"])
    assert eventually(lambda: next(values), message="a value") == "found"


def test_eventually_fails_at_the_deadline_with_the_last_error() -> None:
    def check() -> bool:
        raise AssertionError("not loaded")

    with pytest.raises(AssertionError, match=r"the model is served: .*'not loaded'"):
        eventually(check, message="the model is served", deadline_seconds=0)


def test_eventually_raises_an_error_that_is_not_ignored() -> None:
    def check() -> bool:
        raise ValueError("broken")

    with pytest.raises(ValueError, match=r"broken"):
        eventually(check, message="never")


async def test_eventually_async_awaits_its_check() -> None:
    values = iter([False, True])

    async def check() -> bool:
        return next(values)

    assert await eventually_async(check, message="a value")


async def test_eventually_async_fails_at_the_deadline_with_the_last_value() -> None:
    async def check() -> int:
        return 0

    with pytest.raises(AssertionError, match=r"a count: .*last: 0"):
        await eventually_async(check, message="a count", deadline_seconds=0)
