"""Limits on the length of modules and functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from testing.paths import ROOT

FOLDERS = (
    "backends",
    "benchmarks",
    "client",
    "contract",
    "corpus",
    "docker",
    "export",
    "gateway",
    "repository",
    "runtime",
    "serve",
    "testing",
    "tests",
    "tools",
    "triton_embed",
)

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
"""Docstring included, decorators not."""


def modules() -> Iterator[Path]:
    """Yield every Python file of the folders; the links in triton_embed/ are left out."""
    for folder in FOLDERS:
        links = [path for path in (ROOT / folder).iterdir() if path.is_symlink()]
        for path in (ROOT / folder).rglob("*.py"):
            if not any(path.is_relative_to(link) for link in links):
                yield path


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_modules_are_at_most_400_lines_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(source(path).splitlines()) for path in modules()
    }
    assert lengths["tests/test_style.py"] > 0
    assert [f"{path}: {n} lines" for path, n in lengths.items() if n > MAX_MODULE_LINES] == []


def test_functions_are_at_most_60_lines_long() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(source(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert found == []
