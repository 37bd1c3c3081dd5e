"""The version and the processes of the gateway, as Prometheus metrics."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from triton_embed import __version__
from triton_embed.gateway.workers import worker_pids


class WorkerProcessCollector(Collector):
    """Reports memory, CPU time and open files of each worker, and the version of the gateway.

    The metrics have the names of Prometheus' client libraries and the label `pid`: a sum over all
    workers would decrease when one of them ends.
    """

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        build = GaugeMetricFamily(
            "triton_embed_build_info", "Versions, as labels.", labels=["version", "python"]
        )
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        merged: dict[str, Metric] = {}
        for pid in worker_pids():
            for metric in _process_metrics(pid):
                target = merged.setdefault(metric.name, _empty(metric))
                for sample in metric.samples:
                    target.add_sample(sample.name, {"pid": str(pid)}, sample.value)
        yield from merged.values()


def _process_metrics(pid: int) -> Iterator[Metric]:
    yield from ProcessCollector("triton_embed", lambda: pid, registry=None).collect()


def _empty(metric: Metric) -> Metric:
    return Metric(metric.name, metric.documentation, metric.type)
