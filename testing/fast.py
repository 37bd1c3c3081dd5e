"""``pytest --fast``: tests without PyTorch and Triton, and a check that they load neither.

A pytest plugin. A test is left out if its folder is in `SLOW_FOLDERS`, if it uses a fixture of
`SLOW_FIXTURES`, or if it is marked ``torch``. The first other test before or during which a module
of `SLOW_MODULES` is loaded fails.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

SLOW_FOLDERS = (
    "tests/benchmarks",
    "tests/clients",
    "tests/docs/test_blocks.py",
    "tests/end_to_end",
    "tests/export",
)
"""Folders and modules that import PyTorch or start the service; they are not even collected."""

SLOW_FIXTURES = {
    "families",
    "layouts",
    "own_tiny_repository",
    "reference",
    "service",
    "tiny_folder",
    "tiny_repository",
}
"""The fixtures of `testing.fixtures`, and those that use them."""

SLOW_MODULES = ("pytriton", "sentence_transformers", "testing.server", "torch", "transformers")
"""Modules that take seconds to import, and those that start Triton."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fast``."""
    parser.addoption(
        "--fast", action="store_true", help="only tests that need neither PyTorch nor Triton"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "torch: the test itself imports PyTorch")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the slow folders; ``None`` lets pytest decide."""
    if not config.getoption("--fast"):
        return None
    slow = (config.rootpath / folder for folder in SLOW_FOLDERS)
    return any(collection_path.is_relative_to(folder) for folder in slow) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests with slow fixtures."""
    if not config.getoption("--fast"):
        return
    slow = [item for item in items if _is_slow(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def _is_slow(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & SLOW_FIXTURES) or item.get_closest_marker("torch") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a fast test that loads a slow module, or whose module or fixtures have loaded one."""
    if not item.config.getoption("--fast"):
        return (yield)
    _check_modules("before this test, by its module or fixtures")
    result = yield
    _check_modules("by this test")
    return result


_reported: set[str] = set()
"""Slow modules that have failed a test, so that one import fails one test and not all."""


def _check_modules(cause: str) -> None:
    loaded = {name for name in SLOW_MODULES if name in sys.modules} - _reported
    if loaded:
        _reported.update(loaded)
        names = ", ".join(sorted(loaded))
        pytest.fail(f"a fast run must not load {names}; loaded {cause}", pytrace=False)
