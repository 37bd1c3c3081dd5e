"""What the gateway counts, in Prometheus' format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import SummaryMetricFamily
from prometheus_client.registry import Collector

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True)
class Phase:
    """How often a phase of a model's requests ran, and how long in all."""

    model: str
    name: str
    count: int
    seconds: float


class Metrics:
    """The metrics of one gateway.

    Args:
        triton_phases: Returns the phases that Triton measures (queue, tokenize, infer).
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
        self.tokens = Counter(
            "triton_embed_tokens", "Tokens embedded.", ["model"], registry=registry
        )
        self.inputs = Counter(
            "triton_embed_inputs", "Inputs embedded.", ["model"], registry=registry
        )
        self.request_inputs = Histogram(
            "triton_embed_request_inputs",
            "Inputs of one request.",
            ["model"],
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "triton_embed_inputs_in_flight", "Inputs being embedded.", registry=registry
        )
        self.rejected = Counter(
            "triton_embed_rejected", "Requests refused, by reason.", ["reason"], registry=registry
        )
        self._phases = _Phases(triton_phases)
        registry.register(self._phases)

    def add_phase(self, model: str, name: str, seconds: float) -> None:
        """Count one run of a phase in the gateway itself."""
        self._phases.add(model, name, seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Phases(Collector):
    """One summary for the phases measured here and those measured by Triton."""

    def __init__(self, triton_phases: Callable[[], Iterable[Phase]]) -> None:
        self._triton_phases = triton_phases
        self._own: dict[tuple[str, str], tuple[int, float]] = defaultdict(lambda: (0, 0.0))

    def add(self, model: str, name: str, seconds: float) -> None:
        count, total = self._own[model, name]
        self._own[model, name] = (count + 1, total + seconds)

    def collect(self) -> Iterator[SummaryMetricFamily]:
        family = SummaryMetricFamily(
            "triton_embed_phase_seconds",
            "Time by phase: parse and serialize here, queue, tokenize and infer in Triton.",
            labels=["model", "phase"],
        )
        own = (Phase(*key, *value) for key, value in self._own.items())
        for phase in (*own, *self._triton_phases()):
            family.add_metric([phase.model, phase.name], phase.count, phase.seconds)
        yield family
