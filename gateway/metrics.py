"""What the gateway counts, in Prometheus' format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from triton_embed.gateway.phase_collector import TritonPhaseCollector
from triton_embed.gateway.triton.statistics import Phase

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)

PHASE_SECONDS = "triton_embed_phase_seconds"

PHASE_HELP = "Time by phase of the gateway: parse, serialize."

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True)
class ModelMetrics:
    """What is counted for each request of a model."""

    inputs: Counter
    request_inputs: Histogram
    tokens: Counter
    parse_seconds: Summary
    serialize_seconds: Summary


class Metrics:
    """The metrics of one worker of the gateway, and the sums over all workers.

    Where there are several, ``PROMETHEUS_MULTIPROC_DIR`` names the folder that they share.

    Args:
        triton_phases: Returns the phases that Triton measures (its queues and steps).
    """

    def __init__(self, triton_phases: Callable[[], Iterable[Phase]]) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "triton_embed_requests", "HTTP requests.", ["endpoint", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "triton_embed_request_seconds",
            "Duration of HTTP requests.",
            ["endpoint"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._tokens = Counter(
            "triton_embed_tokens", "Tokens embedded.", ["model"], registry=registry
        )
        self._inputs = Counter(
            "triton_embed_inputs", "Inputs embedded.", ["model"], registry=registry
        )
        self._request_inputs = Histogram(
            "triton_embed_request_inputs",
            "Inputs of one request.",
            ["model"],
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "triton_embed_inputs_in_flight",
            "Inputs being embedded.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.rejected = Counter(
            "triton_embed_rejected", "Requests refused, by reason.", ["reason"], registry=registry
        )
        self._phase_seconds = Summary(
            PHASE_SECONDS, PHASE_HELP, ["model", "phase"], registry=registry
        )
        self._models: dict[str, ModelMetrics] = {}
        self._all = CollectorRegistry()
        self._all.register(_all_workers() or registry)
        self._all.register(TritonPhaseCollector(triton_phases))

    @contextmanager
    def embedding(self, inputs: int) -> Iterator[None]:
        """Count `inputs` as being embedded while in the block."""
        self._in_flight.inc(inputs)
        try:
            yield
        finally:
            self._in_flight.dec(inputs)

    def of(self, model: str) -> ModelMetrics:
        """Return the metrics of one model."""
        known = self._models.get(model)
        if known is None:
            known = self._models[model] = ModelMetrics(
                inputs=self._inputs.labels(model),
                request_inputs=self._request_inputs.labels(model),
                tokens=self._tokens.labels(model),
                parse_seconds=self._phase_seconds.labels(model, "parse"),
                serialize_seconds=self._phase_seconds.labels(model, "serialize"),
            )
        return known

    def text(self) -> bytes:
        """Return all metrics, of all workers, in Prometheus' text format."""
        return generate_latest(self._all)


def _all_workers() -> Collector | None:
    """Return what sums over all workers; ``None`` if there is one only."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return None
    # A worker that was killed would be in flight for ever.
    for file in Path(folder).glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid)
    return MultiProcessCollector(None)
