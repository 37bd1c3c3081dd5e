from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import latency


def embed(texts: Sequence[str]) -> None:
    if len(texts) > 1:
        raise ConnectionError("the list was rejected")


def test_rejected_list_ends_measurement_with_its_error() -> None:
    with pytest.raises(ConnectionError, match="the list was rejected"):
        latency.beside_a_list(lambda: embed, ["a", "b"])
