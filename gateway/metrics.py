"""The gateway's own metrics, in Prometheus' format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector

from triton_embed.gateway.workers import all_workers

INPUT_COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Inputs per request: powers of two up to the default of ``--max-inputs-per-request``."""

REQUEST_SECONDS_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
"""Seconds per request, from one text on an idle GPU to the longest lists."""

PHASE_SECONDS_BUCKETS = (0.0001, 0.00025, 0.0005, *REQUEST_SECONDS_BUCKETS)
"""Seconds per phase, from parsing one text to embedding the longest lists."""

REJECTION_CODES = ("overloaded", "unavailable", "invalid_value", "invalid_api_key")
"""Codes whose counter starts at 0, so that ``increase()`` includes the first rejection."""


class Phases(NamedTuple):
    """Durations of the gateway's phases of one model's requests, in seconds.

    Attributes:
        parse: From the body to the validated inputs.
        queue: Until the first chunk is sent to Triton.
        inference: From then until all vectors have been received.
        serialize: From the vectors to the body of the response.
    """

    parse: Histogram
    queue: Histogram
    inference: Histogram
    serialize: Histogram


@dataclass(frozen=True)
class ModelMetrics:
    """The metrics of one model's requests.

    Attributes:
        inputs: Embedded inputs.
        tokens: Embedded tokens, prompts and special tokens included.
        inputs_per_request: Inputs of each embedded request.
        phases: Durations of the gateway's phases.
    """

    inputs: Counter
    tokens: Counter
    inputs_per_request: Histogram
    phases: Phases


class Metrics:
    """The metrics of one gateway process, and their sums over all worker processes.

    If there are several, ``PROMETHEUS_MULTIPROC_DIR`` names the folder that they share.
    """

    def __init__(self) -> None:
        # Omit the `_created` series, which would double the number of series.
        disable_created_metrics()
        registry = CollectorRegistry()
        counter = partial(_metric, Counter, registry)
        histogram = partial(_metric, Histogram, registry)
        gauge = partial(_metric, Gauge, registry)
        route = ("route", "method", "status")
        self._http_requests = counter("http_requests_total", "HTTP requests.", *route)
        self._http_request_seconds = histogram(
            "http_request_duration_seconds",
            "Duration of HTTP requests in seconds.",
            *route,
            buckets=REQUEST_SECONDS_BUCKETS,
        )
        self._rejections = counter(
            "requests_rejected_total", "Requests rejected, by code of the error.", "reason"
        )
        for code in REJECTION_CODES:
            self._rejections.labels(code)
        self._inputs_in_flight = gauge(
            "inputs_in_flight",
            "Inputs of admitted requests, as counted against the limit.",
            multiprocess_mode="livesum",
        )
        self._inputs_waiting = gauge(
            "inputs_waiting",
            "Inputs in flight that have not been sent to Triton.",
            multiprocess_mode="livesum",
        )
        self._inputs_limit = gauge(
            "inputs_limit",
            "Maximum inputs in flight, over all workers.",
            multiprocess_mode="livemax",
        )
        self._inputs = counter("inputs_total", "Inputs embedded.", "model")
        self._tokens = counter("tokens_total", "Tokens embedded.", "model")
        self._inputs_per_request = histogram(
            "inputs_per_request",
            "Inputs of one embedding request.",
            "model",
            buckets=INPUT_COUNT_BUCKETS,
        )
        self._phase_seconds = histogram(
            "phase_duration_seconds",
            f"Duration of the gateway's own phases in seconds: {', '.join(Phases._fields)}.",
            *("model", "phase"),
            buckets=PHASE_SECONDS_BUCKETS,
        )
        self._waiting = 0
        self._models: dict[str, ModelMetrics] = {}
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._all = CollectorRegistry()
        self._all.register(all_workers() or registry)

    def register(self, collector: Collector) -> None:
        """Add the metrics of `collector`, which must be the same in every worker process."""
        self._all.register(collector)

    def observe_http_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request.

        Args:
            route: The template of its path.
            method: The HTTP method.
            status: The HTTP status of the response.
            seconds: Time until the end of the response.
        """
        requests, durations = self._of_route(route, method, status)
        requests.inc()
        durations.observe(seconds)

    def expect_http_requests(self, route: str, method: str, statuses: Iterable[int]) -> None:
        """Start the series of a route at 0."""
        for status in statuses:
            self._of_route(route, method, status)

    def observe_rejection(self, code: str) -> None:
        """Count one rejected request, by the code of its error."""
        self._rejections.labels(code).inc()

    def set_inputs_limit(self, limit: int) -> None:
        """Report the maximum inputs in flight, over all workers."""
        self._inputs_limit.set(limit)

    def set_inputs(self, in_flight: int, waiting: int) -> None:
        """Report the inputs of this process in flight, and those of them not yet sent to Triton."""
        self._inputs_in_flight.set(in_flight)
        # Skip most writes, which go to a shared file: most requests never wait.
        if waiting != self._waiting:
            self._waiting = waiting
            self._inputs_waiting.set(waiting)

    def observe_inference(
        self, model_id: str, queue_seconds: float, inference_seconds: float
    ) -> None:
        """Record the durations of one embedded request."""
        phases = self.of_model(model_id).phases
        phases.queue.observe(queue_seconds)
        phases.inference.observe(inference_seconds)

    def of_model(self, model_id: str) -> ModelMetrics:
        """Return the metrics of one model; the first call starts its series at 0."""
        known = self._models.get(model_id)
        if known is None:
            phase = self._phase_seconds.labels
            known = self._models[model_id] = ModelMetrics(
                inputs=self._inputs.labels(model_id),
                tokens=self._tokens.labels(model_id),
                inputs_per_request=self._inputs_per_request.labels(model_id),
                phases=Phases(*(phase(model_id, name) for name in Phases._fields)),
            )
        return known

    def render(self) -> bytes:
        """Return all metrics, summed over all workers, in Prometheus' text format."""
        return generate_latest(self._all)

    def _of_route(self, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
        key = route, method, status
        known = self._routes.get(key)
        if known is None:
            labels = route, method, str(status)
            known = self._routes[key] = (
                self._http_requests.labels(*labels),
                self._http_request_seconds.labels(*labels),
            )
        return known


def _metric(
    kind: Any, registry: CollectorRegistry, name: str, help: str, *labels: str, **options: Any
) -> Any:
    """Return a metric with our prefix."""
    return kind(f"triton_embed_{name}", help, labels, registry=registry, **options)
