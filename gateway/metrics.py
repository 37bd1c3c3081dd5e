"""The gateway's own metrics, in Prometheus' format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from triton_embed.gateway.workers import all_workers

INPUT_COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Inputs per request: powers of two up to the default of ``--max-inputs-per-request``."""

REQUEST_SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds per request, from one text on an idle server to the longest lists."""

PHASE_SECONDS_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5)
"""Seconds per phase, from parsing one text to serializing the longest lists."""


@dataclass(frozen=True)
class ModelMetrics:
    """The metrics of one model's requests.

    Attributes:
        inputs: Embedded inputs.
        tokens: Embedded tokens, prompts and special tokens included.
        inputs_per_request: Inputs of each embedded request.
        parse_seconds: Duration from the body to the validated inputs.
        serialize_seconds: Duration from the vectors to the body of the response.
    """

    inputs: Counter
    tokens: Counter
    inputs_per_request: Histogram
    parse_seconds: Histogram
    serialize_seconds: Histogram


class Metrics:
    """The metrics of one gateway process, and their sums over all worker processes.

    If there are several, ``PROMETHEUS_MULTIPROC_DIR`` names the folder that they share.

    Attributes:
        requests_rejected: Requests that were rejected without being embedded, by reason.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._http_requests = Counter(
            "triton_embed_http_requests_total",
            "HTTP requests.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._http_request_seconds = Histogram(
            "triton_embed_http_request_duration_seconds",
            "Duration of HTTP requests in seconds.",
            ["route", "method"],
            buckets=REQUEST_SECONDS_BUCKETS,
            registry=registry,
        )
        self.requests_rejected = Counter(
            "triton_embed_requests_rejected_total",
            "Requests rejected without being embedded, by reason.",
            ["reason"],
            registry=registry,
        )
        self._inputs_in_flight = Gauge(
            "triton_embed_inputs_in_flight",
            "Inputs of the embedding requests in progress.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._add_model_metrics(registry)
        self._models: dict[str, ModelMetrics] = {}
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._all = CollectorRegistry()
        self._all.register(all_workers() or registry)

    def _add_model_metrics(self, registry: CollectorRegistry) -> None:
        self._inputs = Counter(
            "triton_embed_inputs_total", "Inputs embedded.", ["model"], registry=registry
        )
        self._tokens = Counter(
            "triton_embed_tokens_total", "Tokens embedded.", ["model"], registry=registry
        )
        self._inputs_per_request = Histogram(
            "triton_embed_inputs_per_request",
            "Inputs of one embedding request.",
            ["model"],
            buckets=INPUT_COUNT_BUCKETS,
            registry=registry,
        )
        self._phase_seconds = Histogram(
            "triton_embed_phase_duration_seconds",
            "Duration of the gateway's own phases in seconds: parse, serialize.",
            ["model", "phase"],
            buckets=PHASE_SECONDS_BUCKETS,
            registry=registry,
        )

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
        key = route, method, status
        known = self._routes.get(key)
        if known is None:
            known = self._routes[key] = (
                self._http_requests.labels(route, method, str(status)),
                self._http_request_seconds.labels(route, method),
            )
        requests, durations = known
        requests.inc()
        durations.observe(seconds)

    @contextmanager
    def embedding(self, inputs: int) -> Iterator[None]:
        """Count `inputs` inputs as in flight while in the block."""
        self._inputs_in_flight.inc(inputs)
        try:
            yield
        finally:
            self._inputs_in_flight.dec(inputs)

    def of_model(self, model_id: str) -> ModelMetrics:
        """Return the metrics of one model."""
        known = self._models.get(model_id)
        if known is None:
            known = self._models[model_id] = ModelMetrics(
                inputs=self._inputs.labels(model_id),
                tokens=self._tokens.labels(model_id),
                inputs_per_request=self._inputs_per_request.labels(model_id),
                parse_seconds=self._phase_seconds.labels(model_id, "parse"),
                serialize_seconds=self._phase_seconds.labels(model_id, "serialize"),
            )
        return known

    def render(self) -> bytes:
        """Return all metrics, summed over all workers, in Prometheus' text format."""
        return generate_latest(self._all)
