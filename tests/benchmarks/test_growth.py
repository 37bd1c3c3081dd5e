from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from benchmarks import growth
from benchmarks.growth import LENGTHS, SERVER, SPECIAL_TOKENS, Point
from benchmarks.limit import Limit
from benchmarks.rounds import Measurement, Rounds
from benchmarks.throughput import LIMIT

WORDS = ["a", "b"]


def count(texts: Sequence[str]) -> int:
    return sum(len(text.split()) + SPECIAL_TOKENS for text in texts)


class FakeLimit:
    """One token a word, one second for all texts."""

    def tokens(self, texts: Sequence[str]) -> int:
        return count(texts)

    def seconds(self, texts: Sequence[str]) -> float:
        return 1.0


def test_texts_have_the_length_of_their_point() -> None:
    lengths, clients, lists = growth.sweeps(WORDS)
    for point, length in zip(lengths.points, LENGTHS, strict=True):
        assert {count([text]) for text in point.texts} == {length}
        assert len(point.texts) >= point.clients
    assert [point.clients for point in clients.points] == list(growth.CLIENTS)
    assert [point.list_size for point in lists.points] == list(growth.LIST_SIZES)
    assert all(len(point.texts) % point.list_size == 0 for point in lists.points)


def test_point_is_measured_on_the_server_and_in_process() -> None:
    sent: list[int] = []
    point = Point(2, ["a b c"] * 4, clients=2, list_size=2)
    found = growth.measure(
        point, cast(Limit, FakeLimit()), lambda: lambda texts: sent.append(len(texts))
    )
    # Two connections are warmed; then each client sends two lists.
    assert sent == [2] * (2 + 4)
    assert found.rate(LIMIT) == 20.0
    assert found.requests(SERVER) == 4


def test_words_of_several_tokens_are_left_out() -> None:
    def tokens(texts: Sequence[str]) -> int:
        return sum(map(len, texts)) + SPECIAL_TOKENS

    assert {len(word) for word in growth.one_token_words(tokens)} == {1}


def test_table_has_a_row_for_each_point() -> None:
    rounds = Rounds()
    rounds.add(SERVER, Measurement([0.1] * 4, 100, 1.0))
    rounds.add(LIMIT, Measurement((), 100, 0.5))
    assert growth.table("clients", {4: rounds}).splitlines() == [
        "| clients | tokens/s | limit | share | p50, ms | p95, ms |",
        "|---|---:|---:|---:|---:|---:|",
        "| 4 | 100 | 200 | 50% | 100.0 | 100.0 |",
    ]
