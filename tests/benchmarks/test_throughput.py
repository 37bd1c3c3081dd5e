from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from benchmarks.limit import Limit
from benchmarks.throughput import LIMIT, Systems


class FakeLimit:
    """One token a text, one second a pass."""

    def tokens(self, texts: Sequence[str]) -> int:
        return len(texts)

    def seconds(self, texts: Sequence[str]) -> float:
        return 1.0


def test_every_client_sends_at_least_two_requests() -> None:
    sent: list[int] = []
    systems = Systems(cast(Limit, FakeLimit()), {"server": lambda: lambda t: sent.append(len(t))})
    found = systems.measures([f"text {index}" for index in range(10)], 4, 5)["server"]()
    warm_up = [2] * 4
    assert sent == warm_up + [5] * 8
    assert (found.tokens, len(found.latencies)) == (40, 8)


def test_limit_and_libraries_embed_all_texts_once() -> None:
    sent: list[int] = []
    libraries = {"library": lambda texts: sent.append(len(texts))}
    measures = Systems(cast(Limit, FakeLimit()), {}, libraries).measures(["a", "b", "c"], 9, 2)
    assert measures[LIMIT]().rate == 3.0
    assert measures["library"]().tokens == 3
    assert sent == [1, 2, 1]
