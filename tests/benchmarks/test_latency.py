from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import latency


def embed(texts: Sequence[str]) -> None:
    if len(texts) > 1:
        raise ConnectionError("the list was refused")


def test_a_list_that_fails_ends_the_measurement_with_its_error() -> None:
    with pytest.raises(ConnectionError, match="the list was refused"):
        latency.beside_a_list(lambda: embed, ["a", "b"])
