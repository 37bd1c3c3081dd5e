from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

import pytest

from benchmarks import overhead
from testing.server import RunningServer


class ThisProcess:
    """Stands in for a service: every process of it is this one."""

    def descendants(self, _: str) -> list[int]:
        return [os.getpid()]


def accept(texts: Sequence[str]) -> None:
    pass


def refuse(texts: Sequence[str]) -> None:
    raise ConnectionError("refused")


def test_a_client_that_fails_ends_the_measurement_with_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overhead, "SECONDS", 0.1)
    service = cast(RunningServer, ThisProcess())
    clients = iter([refuse, *[accept] * overhead.CLIENTS])
    with pytest.raises(ConnectionError, match="refused"):
        overhead.measure(service, {"HTTP": lambda: next(clients)}, "HTTP")
