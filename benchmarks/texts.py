"""Texts to embed: real texts of mixed length, and texts of equal length."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache

from benchmarks.docstrings import pairs

SEED = 20260101
"""Seed of the texts' order; printed with every result."""

SHORT_WORDS, LONG_WORDS = 10, 200
"""Words of each short and each long text."""


@cache
def text_sets(mixed: int, short: int, long: int) -> Mapping[str, list[str]]:
    """Return the given number of texts by kind; ``mixed`` has the lengths of docstrings."""
    return {
        "mixed": _passages()[:mixed],
        "short": uniform_texts(short, SHORT_WORDS),
        "long": uniform_texts(long, LONG_WORDS),
    }


def uniform_texts(count: int, size: int) -> list[str]:
    """Return `count` texts of `size` words."""
    words = " ".join(_passages()).split()
    return [" ".join(words[index * size : (index + 1) * size]) for index in range(count)]


def corpus_texts(count: int) -> list[str]:
    """Return `count` texts of mixed length, all different: docstrings without their first words."""
    passages = _passages()
    texts: list[str] = []
    skipped = 0
    while len(texts) < count:
        words = (passage.split()[skipped:] for passage in passages)
        texts += [f"{' '.join(rest)} ({skipped})" for rest in words if rest]
        skipped += 1
    return texts[:count]


@cache
def _passages() -> list[str]:
    passages = [pair.passage for pair in pairs(10_000)]
    random.Random(SEED).shuffle(passages)
    return passages
