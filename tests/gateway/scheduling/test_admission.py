"""Admission: the limit of inputs, the budget of each model, bulk and interactive requests."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from dataclasses import replace

import pytest

from testing.jobs import MODEL, make_input
from triton_embed.contract.errors import Unavailable
from triton_embed.contract.options import Options
from triton_embed.gateway.scheduling.admission import AdmissionController, Permit
from triton_embed.gateway.scheduling.model_queue import MIN_LARGE_REQUESTS
from triton_embed.gateway.triton.job import EmbedJob

SECONDS_EACH = 0.01

TOKENS = 10
"""Estimated tokens of each input."""


def job_of(inputs: int, tokens: int = TOKENS) -> EmbedJob:
    return EmbedJob(MODEL, [make_input(b"text", tokens)] * inputs, Options())


class SimulatedServer:
    """Embeds one request after the other, at its own clock.

    Args:
        limit: Maximum inputs being embedded.
        estimate_error: Factor of the estimated cost of requests on their actual cost.
    """

    def __init__(self, limit: int = 1024, estimate_error: float = 1.0) -> None:
        self.now = 0.0
        self.admission = AdmissionController(limit, 1.0, clock=lambda: self.now)
        self.rejections: list[Unavailable] = []
        self.queue_seconds: list[float] = []
        self._tokens = round(TOKENS * estimate_error)
        self._queue: deque[tuple[ExitStack, Permit, EmbedJob, float]] = deque()

    def send(self, inputs: int = 1, *, bulk: bool = False) -> None:
        request = ExitStack()
        job = job_of(inputs, self._tokens)
        try:
            permit = request.enter_context(self.admission.admit(job, bulk=bulk))
        except Unavailable as error:
            self.rejections.append(error)
        else:
            self._queue.append((request, permit, job, self.now))

    def work(self, seconds: float, sent_each: int = 0) -> None:
        """Embed one request every `SECONDS_EACH`; `sent_each` arrive meanwhile."""
        for _ in range(round(seconds / SECONDS_EACH)):
            for _ in range(sent_each):
                self.send()
            self.now += SECONDS_EACH
            self.embed_next()

    def embed_next(self) -> None:
        if self._queue:
            request, permit, job, arrived = self._queue.popleft()
            permit.embedded(job.tokens)
            request.close()
            self.queue_seconds.append(self.now - arrived)

    @property
    def waiting(self) -> int:
        return len(self._queue)


def test_burst_on_an_idle_server_is_admitted() -> None:
    server = SimulatedServer()
    server.work(1, sent_each=1)
    for _ in range(400):
        server.send()
    server.work(10)
    assert not server.rejections
    assert server.admission.inputs == 0


def test_queue_time_under_lasting_overload_stays_at_the_target() -> None:
    server = SimulatedServer()
    server.work(20, sent_each=10)
    assert 50 < server.waiting < 130
    server.queue_seconds.clear()
    server.work(10, sent_each=10)
    assert min(server.queue_seconds) > 0.5 and max(server.queue_seconds) < 1.3
    assert server.rejections[-1].retry_after_seconds in (1, 2)


@pytest.mark.parametrize("estimate_error", [0.1, 1.0, 10.0])
def test_queue_time_does_not_depend_on_the_unit_of_the_estimate(estimate_error: float) -> None:
    server = SimulatedServer(estimate_error=estimate_error)
    server.work(20, sent_each=10)
    server.queue_seconds.clear()
    server.work(10, sent_each=10)
    assert max(server.queue_seconds) < 1.3


def test_requests_after_an_overload_are_admitted() -> None:
    server = SimulatedServer()
    server.work(20, sent_each=10)
    server.work(1)
    server.rejections.clear()
    for _ in range(100):
        server.send()
    assert not server.rejections


def test_few_clients_that_wait_for_each_response_are_never_rejected() -> None:
    server = SimulatedServer()
    for _ in range(16):
        server.send()
    for _ in range(1000):
        server.now += 3.0
        server.embed_next()
        server.send()
    assert not server.rejections


def test_limit_of_inputs_holds_for_all_requests_together() -> None:
    server = SimulatedServer(limit=10)
    for _ in range(9):
        server.send()
    server.send(2000, bulk=True)
    assert server.rejections[0].code == "overloaded"
    assert server.admission.inputs == 9


def test_inputs_beyond_the_limit_are_rejected() -> None:
    server = SimulatedServer(limit=10)
    for _ in range(4):
        server.send(inputs=3)
    assert server.admission.inputs == 9
    assert server.rejections[0].code == "overloaded"


@pytest.mark.parametrize("limit", [4, 10, 1024])
def test_bulk_requests_leave_room_for_interactive_requests(limit: int) -> None:
    server = SimulatedServer(limit)
    while not server.rejections:
        server.send(256, bulk=True)
    assert server.waiting >= 3
    for _ in range(limit // 4):
        server.send()
    assert len(server.rejections) == 1


def test_bulk_requests_beyond_the_budget_are_two() -> None:
    server = SimulatedServer()
    server.work(20, sent_each=10)
    for _ in range(5):
        server.send(2000, bulk=True)
    admitted = [job for _, _, job, _ in server._queue if len(job.inputs) == 2000]
    assert len(admitted) == MIN_LARGE_REQUESTS
    assert server.rejections[-1].retry_after_seconds == 60


@pytest.mark.parametrize(("tokens", "is_admitted"), [(8000, True), (32_000, False)])
def test_third_large_request_is_admitted_if_it_is_embedded_within_the_target(
    tokens: int, is_admitted: bool
) -> None:
    server = SimulatedServer()
    admission = server.admission
    with ExitStack() as admitted:
        permits = [
            admitted.enter_context(admission.admit(job_of(3, 4100), bulk=True))
            for _ in range(MIN_LARGE_REQUESTS)
        ]
        # The rate is about 24 000 tokens a second, and 300 tokens remain.
        server.now = 1.0
        for permit in permits:
            permit.embedded(12_150)
        try:
            admitted.enter_context(admission.admit(job_of(1, tokens), bulk=True))
        except Unavailable:
            assert not is_admitted
        else:
            assert is_admitted


def test_interactive_requests_are_admitted_during_bulk_requests() -> None:
    server = SimulatedServer()
    with ExitStack() as bulk:
        permits = [
            bulk.enter_context(server.admission.admit(job_of(8192), bulk=True))
            for _ in range(MIN_LARGE_REQUESTS)
        ]
        for _ in range(400):
            server.now += SECONDS_EACH
            permits[0].embedded(10)
        for _ in range(50):
            server.send()
    assert not server.rejections


def test_few_clients_with_lists_are_never_rejected() -> None:
    server = SimulatedServer()
    server.work(20, sent_each=10)
    while server.waiting:
        server.now += 10.0
        server.embed_next()
    server.rejections.clear()
    for _ in range(16):
        server.send(32, bulk=True)
    assert not server.rejections


def test_light_load_does_not_change_the_estimated_capacity() -> None:
    server = SimulatedServer()
    server.work(600, sent_each=1)
    server.work(20, sent_each=10)
    assert 50 < server.waiting < 130


def test_retry_after_is_capped_at_one_minute() -> None:
    server = SimulatedServer(limit=400)
    server.work(5, sent_each=10)
    server.now += 3600
    server.send()
    assert server.rejections[-1].retry_after_seconds == 60


@pytest.mark.parametrize("embedded", [True, False])
def test_failed_request_leaves_its_place(embedded: bool) -> None:
    admission = AdmissionController(10, max_queue_seconds=1.0)
    with pytest.raises(KeyError), admission.admit(job_of(10), bulk=False) as permit:
        if embedded:
            permit.embedded(100)
        raise KeyError
    assert admission.inputs == 0


def test_disconnected_requests_do_not_count_as_waiting() -> None:
    server = SimulatedServer()
    server.work(1, sent_each=1)
    for _ in range(400):
        with server.admission.admit(job_of(1), bulk=False):
            pass
    server.work(10, sent_each=1)
    assert not server.rejections


def test_each_model_has_its_own_queue() -> None:
    server = SimulatedServer()
    server.work(20, sent_each=10)
    other = replace(job_of(1), model=replace(MODEL, name="other"))
    with server.admission.admit(other, bulk=False):
        server.send()
    assert server.rejections
