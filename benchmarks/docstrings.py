"""Real English text that exists on every machine: the docstrings of Python's standard library."""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXCLUDED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo"}

FIRST_SENTENCE = re.compile(r"(.+?[.!?:]) (.+)")

MIN_QUERY_WORDS = 4
"""Minimum words of a query; fewer are too vague to find one passage."""

MIN_PASSAGE_WORDS = 8
"""Minimum words of a passage; fewer contain nothing to find."""

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Pair:
    """One docstring: its first sentence, and the rest."""

    query: str
    passage: str


def pairs(max_pairs: int) -> list[Pair]:
    """Return at most `max_pairs` pairs, evenly spaced over the library in the order of its files.

    Queries and passages are unique, so each query has exactly one right passage.
    """
    queries: set[str] = set()
    passages: set[str] = set()
    found: list[Pair] = []
    for docstring in _docstrings():
        pair = _split(docstring)
        if pair and pair.query not in queries and pair.passage not in passages:
            queries.add(pair.query)
            passages.add(pair.passage)
            found.append(pair)
    count = min(max_pairs, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def _docstrings() -> Iterator[str]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if EXCLUDED.isdisjoint(path.relative_to(library).parts):
            for node in ast.walk(_parse(path)):
                if isinstance(node, Documented):
                    yield ast.get_docstring(node) or ""


def _parse(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(path.read_text(encoding="utf-8"))


def _split(docstring: str) -> Pair | None:
    match = FIRST_SENTENCE.match(" ".join(docstring.split()))
    if not match:
        return None
    query, passage = match.groups()
    if len(query.split()) < MIN_QUERY_WORDS or len(passage.split()) < MIN_PASSAGE_WORDS:
        return None
    return Pair(query, passage)
