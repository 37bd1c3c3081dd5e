"""Real English text that every machine has: the docstrings of Python's standard library."""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo"}

FIRST_SENTENCE = re.compile(r"(.+?[.!?:]) (.+)")

QUERY_WORDS = 4
"""A shorter first sentence says too little to be searched by."""

PASSAGE_WORDS = 8

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Pair:
    """One docstring: its first sentence, and the rest."""

    query: str
    passage: str


def pairs(most: int) -> list[Pair]:
    """Return at most `most` pairs, evenly spaced over the library in the order of its files.

    No two have the same query or the same passage, so each query has exactly one right passage.
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
    count = min(most, len(found))
    return [found[index * len(found) // count] for index in range(count)]


def _docstrings() -> Iterator[str]:
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if LEFT_OUT.isdisjoint(path.relative_to(library).parts):
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
    if len(query.split()) < QUERY_WORDS or len(passage.split()) < PASSAGE_WORDS:
        return None
    return Pair(query, passage)
