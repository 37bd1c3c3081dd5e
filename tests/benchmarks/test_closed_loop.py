from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import closed_loop


def accept(texts: Sequence[str]) -> None:
    pass


def reject(texts: Sequence[str]) -> None:
    raise ConnectionError("rejected")


def test_failing_client_ends_measurement_with_its_error() -> None:
    clients = iter([reject, accept])
    with pytest.raises(ConnectionError, match="rejected"):
        closed_loop.count_within(0.01, "text", 2, lambda: next(clients))


def test_every_request_is_sent_once() -> None:
    sent: list[Sequence[str]] = []
    requests = [[f"text {index}"] for index in range(50)]
    loop = closed_loop.send_all(requests, 4, lambda: sent.append)
    warm_up = sent[:4]
    assert warm_up == [requests[0]] * 4
    assert sorted(map(list, sent[4:])) == sorted(requests)
    assert len(loop.latencies) == 50
    assert max(loop.latencies) <= loop.seconds
