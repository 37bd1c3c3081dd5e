from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import latency


def embed(texts: Sequence[str]) -> None:
    if len(texts) > 1:
        raise ConnectionError("the list was rejected")


def test_rejected_list_ends_measurement_with_its_error() -> None:
    with pytest.raises(ConnectionError, match="the list was rejected"):
        latency.beside_lists(lambda: embed, "a", ["a", "b"])


def test_texts_are_sent_while_lists_are_embedded() -> None:
    sent: list[int] = []
    found = latency.beside_lists(
        lambda: lambda texts: sent.append(len(texts)), "a", ["a", "b"], seconds=0.01
    )
    assert len(found.latencies) == 1
    assert sent.count(1) == 2
    assert latency.LIST_TEXTS in sent
