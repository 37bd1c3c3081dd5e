"""The names of all metrics that the gateway, the supervisor and Triton report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unittest.mock import Mock

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from triton_embed.gateway.catalog_collector import CatalogCollector
from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.phase_collector import TritonPhaseCollector
from triton_embed.gateway.process_collector import WorkerProcessCollector
from triton_embed.gateway.triton.catalog import Catalog
from triton_embed.runtime.memory import MemoryCollector
from triton_embed.serve.status_board import StatusBoard
from triton_embed.serve.status_server import BoardCollector

TRITON = frozenset(
    {
        "nv_inference_request_success",
        "nv_inference_request_failure",
        "nv_inference_count",
        "nv_inference_exec_count",
        "nv_inference_request_duration_us",
        "nv_inference_queue_duration_us",
        "nv_inference_compute_input_duration_us",
        "nv_inference_compute_infer_duration_us",
        "nv_inference_compute_output_duration_us",
        "nv_inference_pending_request_count",
        "nv_cpu_utilization",
        "nv_cpu_memory_total_bytes",
        "nv_cpu_memory_used_bytes",
    }
)
"""Triton's metrics that rules and panels may use: those that it reports by default."""

TRITON_GPU = frozenset(
    {
        "nv_gpu_utilization",
        "nv_gpu_memory_used_bytes",
        "nv_gpu_memory_total_bytes",
        "nv_gpu_power_usage",
        "nv_energy_consumption",
    }
)
"""Triton's metrics on a machine with GPUs, from its documentation."""

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
"""Suffixes of the series of a metric by its type."""


def our_names() -> set[str]:
    """Return the names of the series of the gateway and of the supervisor."""
    catalog = Mock(Catalog, models=(), readiness=dict)
    collectors = (
        TritonPhaseCollector(tuple),
        CatalogCollector(catalog),
        WorkerProcessCollector(),
        MemoryCollector(),
        BoardCollector(StatusBoard()),
    )
    return set(_names([*_own_families(), *_families(collectors)]))


def _own_families() -> Iterator[Metric]:
    yield from text_string_to_metric_families(Metrics().render().decode())


def _families(collectors: Iterable[Collector]) -> Iterator[Metric]:
    for collector in collectors:
        yield from collector.collect()


def _names(families: Iterable[Metric]) -> Iterator[str]:
    for family in families:
        suffixes = SUFFIXES.get(family.type, ("_sum", "_count"))
        yield from (f"{family.name}{suffix}" for suffix in suffixes)
