"""Skips the tests that render the chart if there is no helm."""

from __future__ import annotations

from pathlib import Path

import pytest

from testing import chart


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "without_helm: the test renders nothing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if chart.program("helm"):
        return
    skip = pytest.mark.skip(reason="needs helm: make test-chart")
    for item in items:
        is_here = item.path.is_relative_to(Path(__file__).parent)
        if is_here and item.get_closest_marker("without_helm") is None:
            item.add_marker(skip)
