from __future__ import annotations

import pytest

from testing import chart


@pytest.fixture(autouse=True)
def needs_helm(request: pytest.FixtureRequest) -> None:
    """Skip tests that render the chart if there is no helm."""
    if "without_helm" not in request.keywords and not chart.program("helm"):
        pytest.skip("needs helm: make test-chart")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "without_helm: the test renders nothing")
