"""A burst is taken, a standing queue is not."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack

import pytest

from triton_embed.contract.errors import Unavailable
from triton_embed.gateway.scheduling.admission import AdmissionController

SECONDS_EACH = 0.01


class Server:
    """Embeds one request after the other, and knows what time it is."""

    def __init__(self, limit: int = 1024) -> None:
        self.now = 0.0
        self.admission = AdmissionController(limit, wait_seconds=1.0, clock=lambda: self.now)
        self.refused: list[Unavailable] = []
        self._queue: deque[ExitStack] = deque()

    def ask(self, inputs: int = 1) -> None:
        request = ExitStack()
        try:
            request.callback(request.enter_context(self.admission.admit(inputs)))
        except Unavailable as error:
            self.refused.append(error)
        else:
            self._queue.append(request)

    def work(self, seconds: float, asking_each: int = 0) -> None:
        """Answer one request every `SECONDS_EACH`; as many as `asking_each` come meanwhile."""
        for _ in range(round(seconds / SECONDS_EACH)):
            for _ in range(asking_each):
                self.ask()
            self.now += SECONDS_EACH
            if self._queue:
                self._queue.popleft().close()

    @property
    def waiting(self) -> int:
        return len(self._queue)


def test_a_burst_is_taken_whole() -> None:
    server = Server()
    server.work(1, asking_each=1)
    for _ in range(400):
        server.ask()
    server.work(10)
    assert not server.refused
    assert server.admission.in_flight == 0


def test_under_lasting_overload_the_queue_shrinks_to_a_second_and_stays_there() -> None:
    server = Server()
    server.work(20, asking_each=10)
    assert 50 < server.waiting < 130
    server.work(10, asking_each=10)
    assert 50 < server.waiting < 130
    assert server.refused[-1].retry_after_seconds in (1, 2)


def test_after_overload_everything_is_taken_again() -> None:
    server = Server()
    server.work(20, asking_each=10)
    server.work(1)
    server.refused.clear()
    for _ in range(100):
        server.ask()
    assert not server.refused


def test_a_few_clients_that_wait_for_each_answer_are_never_refused() -> None:
    server = Server()
    for _ in range(16):
        server.ask()
    for _ in range(1000):
        server.now += 3.0
        server._queue.popleft().close()
        server.ask()
    assert not server.refused


def test_no_more_inputs_are_taken_than_the_limit() -> None:
    server = Server(limit=10)
    for _ in range(4):
        server.ask(inputs=3)
    assert server.admission.in_flight == 9
    assert server.refused[0].code == "overloaded"


def test_a_long_list_leaves_room_for_others_however_low_the_limit() -> None:
    server = Server(limit=10)
    for inputs in (2000, 2000, 2000, 1):
        server.ask(inputs)
    assert server.waiting == 4 and not server.refused
    server.ask()
    assert len(server.refused) == 1


def test_what_is_said_about_trying_again_stays_within_a_minute() -> None:
    server = Server(limit=400)
    server.work(5, asking_each=1)
    for _ in range(400):
        server.ask()
    server.now += 3600
    server.ask()
    assert server.refused[-1].retry_after_seconds == 60


@pytest.mark.parametrize("answered", [True, False])
def test_a_failed_request_leaves_no_trace(answered: bool) -> None:
    admission = AdmissionController(10, wait_seconds=1.0)
    with pytest.raises(KeyError), admission.admit(10) as on_answer:
        if answered:
            on_answer()
        raise KeyError
    assert admission.in_flight == 0


def test_nobody_waits_behind_one_who_left_before_the_first_answer() -> None:
    server = Server()
    server.work(1, asking_each=1)
    for _ in range(400):
        with server.admission.admit(1):
            pass
    server.work(10, asking_each=1)
    assert not server.refused


def test_however_many_pieces_a_list_has_it_is_one_newcomer() -> None:
    server = Server()
    with server.admission.admit(5000) as on_answer:
        for _ in range(1000):
            on_answer()
    server.work(20, asking_each=10)
    assert 50 < server.waiting < 130
