"""Texts to embed: real ones of mixed length, and ones of equal length."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache

from benchmarks.docstrings import pairs

SEED = 20260101
"""Seed of the texts' order; printed with every result."""

SHORT_WORDS, LONG_WORDS = 10, 200
"""Words of a text of equal length."""


@cache
def text_sets(mixed: int, short: int, long: int) -> Mapping[str, list[str]]:
    """Return texts by kind, as many as given; ``mixed`` has the lengths that docstrings have."""
    generator = random.Random(SEED)
    passages = [pair.passage for pair in pairs(10_000)]
    generator.shuffle(passages)
    words = " ".join(passages).split()

    def uniform(count: int, size: int) -> list[str]:
        return [" ".join(words[index * size : (index + 1) * size]) for index in range(count)]

    return {
        "mixed": passages[:mixed],
        "short": uniform(short, SHORT_WORDS),
        "long": uniform(long, LONG_WORDS),
    }
