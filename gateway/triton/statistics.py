"""Durations of the phases of requests, from Triton's statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from tritonclient.grpc import service_pb2

from triton_embed.gateway.triton.model import LoadedModel

Statistics = Mapping[str, service_pb2.ModelStatistics]
"""Statistics of Triton's models, by name."""

QUEUE = "queue"
"""The phase of waiting for any of the steps. Other phases are named after the steps' roles."""


@dataclass(frozen=True)
class Phase:
    """The counters of one phase of a model's requests.

    Attributes:
        model: The model's id.
        name: ``queue``, or the role of a step.
        address: Address of the Triton.
        count: Number of requests.
        seconds: Time over all of them.
    """

    model: str
    name: str
    address: str
    count: int
    seconds: float


def has_fallen(before: service_pb2.ModelStatistics, now: service_pb2.ModelStatistics) -> bool:
    """Return whether the counters of a model have restarted: it was loaded again."""
    return bool(
        now.inference_count < before.inference_count
        or now.execution_count < before.execution_count
        or now.inference_stats.success.ns < before.inference_stats.success.ns
    )


def has_restarted(before: Statistics, now: Statistics) -> bool:
    """Return whether a Triton has restarted: no models, or fallen counters of all used ones."""
    used = [name for name in before.keys() & now.keys() if before[name].inference_count]
    return not now or (bool(used) and all(has_fallen(before[name], now[name]) for name in used))


def phases(address: str, models: Iterable[LoadedModel], statistics: Statistics) -> Iterator[Phase]:
    """Yield the phases of each model.

    Args:
        address: Address of the Triton.
        models: Its models that were exported by us, ensembles and steps.
        statistics: Its statistics.
    """
    by_id = attrgetter("model_id")
    for model_id, group in groupby(sorted(models, key=by_id), by_id):
        # An ensemble's own durations repeat those of its steps.
        steps = [
            (model.role.value, statistics[model.name].inference_stats)
            for model in group
            if model.is_step and model.name in statistics
        ]
        if not steps:
            continue
        queues = [step.queue for _, step in steps]
        # Requests without a conversion skip the last step: the maximum counts all requests.
        count, seconds = max(queue.count for queue in queues), sum(map(_seconds, queues))
        yield Phase(model_id, QUEUE, address, count, seconds)
        for role, step in steps:
            computing = step.compute_input, step.compute_infer, step.compute_output
            seconds = sum(map(_seconds, computing))
            yield Phase(model_id, role, address, step.success.count, seconds)


def _seconds(duration: service_pb2.StatisticDuration) -> float:
    return float(duration.ns / 1e9)
