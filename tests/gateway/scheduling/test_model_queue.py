from __future__ import annotations

import pytest

from triton_embed.gateway.scheduling.model_queue import ModelQueue

TOKENS = 60
BATCH_SECONDS = 0.03
LEAVE_SECONDS = 0.0003


class Clients:
    """Clients in closed loops, whose single texts are embedded as one batch."""

    def __init__(self, count: int) -> None:
        self.now = 0.0
        self.queue = ModelQueue(1.0, lambda: self.now)
        self._count = count

    def send(self) -> None:
        for _ in range(self._count):
            self.queue.excess_seconds(TOKENS, bulk=False)
            self.queue.enter(TOKENS, bulk=False)
        self.now += BATCH_SECONDS
        for _ in range(self._count):
            self.queue.embedded(TOKENS, bulk=False, is_first=True)
            self.queue.leave(TOKENS, 0, bulk=False, was_served=True)
            self.now += LEAVE_SECONDS


@pytest.mark.parametrize("count", [16, 24, 64])
def test_rate_of_batches_is_measured_although_their_requests_leave_singly(count: int) -> None:
    clients = Clients(count)
    for _ in range(400):
        clients.send()
    # A burst of as many tokens as are embedded in half a second.
    rate = count * TOKENS / (BATCH_SECONDS + count * LEAVE_SECONDS)
    for _ in range(round(rate / 2 / TOKENS)):
        assert clients.queue.excess_seconds(TOKENS, bulk=False) == 0
        clients.queue.enter(TOKENS, bulk=False)
    assert clients.queue.seconds(bulk=False) == pytest.approx(0.5, rel=0.25)


def test_rate_does_not_count_the_time_of_a_few_clients() -> None:
    busy, calm = Clients(64), Clients(64)
    for clients in (busy, calm):
        for _ in range(100):
            clients.send()
    calm.now += 60
    calm.queue.excess_seconds(TOKENS, bulk=False)
    for clients in (busy, calm):
        clients.queue.enter(1000, bulk=False)
    assert calm.queue.seconds(bulk=False) == pytest.approx(busy.queue.seconds(bulk=False), rel=0.05)
