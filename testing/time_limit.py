"""Restart of the running test's time limit, so that a fixture of many steps has one for each.

A pytest plugin. The limit of pytest-timeout includes the fixtures of a test: without a restart, the
first test that uses a repository of twenty exports would have to do them all in its own limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class _Limit:
    """The running test's limit; `restart` does nothing if it has none."""

    restart: Callable[[], None] = staticmethod(lambda: None)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Remember the limit that pytest-timeout sets next."""

    def restart() -> None:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)

    _Limit.restart = staticmethod(restart)


def restart() -> None:
    """Grant the running test its whole time limit again, after a step has ended."""
    _Limit.restart()
