"""``pytest --fast``: tests without PyTorch and Triton, and a check that they load neither.

A pytest plugin. A test is left out if its folder is in `SLOW_FOLDERS`, if it uses a fixture of
`SLOW_FIXTURES`, or if it is marked ``torch``. The first other test before or during which a module
of `SLOW_MODULES` is loaded fails. ``pytest --slow`` runs the tests that are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from itertools import compress
from operator import not_
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
    """Add ``--fast`` and ``--slow``."""
    parser.addoption(
        "--fast", action="store_true", help="only tests that need neither PyTorch nor Triton"
    )
    parser.addoption("--slow", action="store_true", help="only the tests that --fast leaves out")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "torch: the test itself imports PyTorch")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the slow folders; ``None`` lets pytest decide."""
    if not config.getoption("--fast"):
        return None
    return _is_in_slow_folder(collection_path, config) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests, or all others."""
    if not config.getoption("--fast") and not config.getoption("--slow"):
        return
    slow = [_is_slow(item) for item in items]
    wanted = [each == config.getoption("--slow") for each in slow]
    config.hook.pytest_deselected(items=list(compress(items, map(not_, wanted))))
    items[:] = compress(items, wanted)


def _is_in_slow_folder(path: Path, config: pytest.Config) -> bool:
    return any(path.is_relative_to(config.rootpath / folder) for folder in SLOW_FOLDERS)


def _is_slow(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        bool(fixtures & SLOW_FIXTURES)
        or item.get_closest_marker("torch") is not None
        or _is_in_slow_folder(item.path, item.config)
    )


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
