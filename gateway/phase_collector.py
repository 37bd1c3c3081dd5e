"""The phases that Triton measures, as a Prometheus metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from triton_embed.gateway.triton.statistics import Phase

NAME = "triton_embed_triton_phase_duration_seconds"

HELP = "Duration of Triton's phases of requests in seconds: its queues, and each step."


class TritonPhaseCollector(Collector):
    """Reports Triton's own counters, which include direct calls over gRPC.

    They have a metric of their own: a summary cannot be mixed with the histogram of the gateway's
    phases.

    Args:
        phases: Returns the counters.
    """

    def __init__(self, phases: Callable[[], Iterable[Phase]]) -> None:
        self._phases = phases

    def collect(self) -> Iterator[Metric]:
        """Yield the one metric."""
        metric = Metric(NAME, HELP, "summary")
        for phase in self._phases():
            labels = {"model": phase.model, "phase": phase.name, "address": phase.address}
            metric.add_sample(f"{NAME}_count", labels, phase.count)
            metric.add_sample(f"{NAME}_sum", labels, phase.seconds)
        yield metric
