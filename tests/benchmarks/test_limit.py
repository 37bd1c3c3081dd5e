from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import limit
from benchmarks.limit import CANDIDATES, EXECUTION_TEXTS, Arrangement, Limit

lock = threading.Lock()
executions: list[tuple[int, int]] = []
tokenized: list[Sequence[str]] = []


class FakeEncoder:
    """One token a word; records the threads and the texts of each execution."""

    def __init__(self, repository: Path, name: str, max_tokens: int, threads: int = 0) -> None:
        self.threads = threads

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        with lock:
            tokenized.append(texts)
        return [[1] * len(text.split()) for text in texts]

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        with lock:
            executions.append((self.threads, len(rows)))
        return np.ones((len(rows), 2), np.float32)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Limit:
    executions.clear()
    tokenized.clear()
    monkeypatch.setattr(limit, "PackedOnnxRuntime", FakeEncoder)
    return Limit(Path("repository"), "name", 256)


def test_every_arrangement_embeds_all_texts_once(encoder: Limit) -> None:
    assert encoder.seconds(["one text", "another"] * 512) > 0.0
    assert sum(texts for _, texts in executions) == len(limit.arrangements(1024)) * 1024
    assert {size for _, size in executions} == set(EXECUTION_TEXTS)


def test_only_the_fastest_arrangements_are_measured_again(encoder: Limit) -> None:
    texts = ["one text"] * 4
    encoder.seconds(texts)
    executions.clear()
    encoder.seconds(texts)
    assert 0 < sum(size for _, size in executions) <= CANDIDATES * 4
    assert encoder.fastest(texts) in limit.arrangements(4)


def test_execution_has_texts_of_similar_length(encoder: Limit) -> None:
    encoder.seconds(["a", "a much longer text"] * 8)
    assert tokenized[0] == ["a"] * 4


def test_every_arrangement_has_work_for_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "cpu_count", lambda: 2)
    assert limit.arrangements(1) == [Arrangement(1, False)]
    assert limit.arrangements(20) == [
        *(Arrangement(size, False) for size in (4, 16, 20)),
        Arrangement(4, True),
    ]


def test_tokens_are_counted(encoder: Limit) -> None:
    assert encoder.tokens(["one text", "another"]) == 3


def test_arrangement_is_described() -> None:
    assert str(Arrangement(8, False)) == "8 texts per execution, all cores together"
    assert str(Arrangement(32, True)) == "32 texts per execution, each core separately"
