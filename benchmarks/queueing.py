"""A queueing model of the service: Tritons that take everything that waits as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Load:
    """Requests that arrive whether or not earlier ones have a response.

    Attributes:
        arrivals: Seconds at which each request arrives, ascending, [requests].
        texts: Texts of each request, [requests].
    """

    arrivals: Floats
    texts: Floats


def poisson(requests_per_second: float, seconds: float, sizes: Sequence[int], seed: int) -> Load:
    """Return requests that arrive independently of each other, with texts drawn from `sizes`."""
    generator = np.random.default_rng(seed)
    count = round(requests_per_second * seconds)
    arrivals = np.sort(generator.uniform(0, seconds, count))
    return Load(arrivals, generator.choice(sizes, count).astype(float))


@dataclass(frozen=True)
class Node:
    """One Triton with its share of a gateway.

    Attributes:
        request_seconds: Latency of a request besides the encoder, which other requests do not feel.
        execution_seconds: Time of an execution of the encoder, however many texts it has.
        text_seconds: Further time of an execution for each text, with the work that the gateway and
            the tokenizer do for it on the same cores.
        max_batch: Maximum texts of an execution.
    """

    request_seconds: float
    execution_seconds: float
    text_seconds: float
    max_batch: int = 256

    @property
    def capacity(self) -> float:
        """Texts per second of full batches."""
        return self.max_batch / (self.execution_seconds + self.max_batch * self.text_seconds)

    def scaled(self, factor: float) -> Node:
        """Return the node for a model that takes `factor` times as long."""
        return replace(
            self,
            execution_seconds=self.execution_seconds * factor,
            text_seconds=self.text_seconds * factor,
        )


def simulate(node: Node, load: Load) -> Floats:
    """Return the seconds from the arrival of each request to its response, [requests]."""
    arrivals, texts = load.arrivals, load.texts
    latencies = np.empty_like(arrivals)
    free, start, count = 0.0, 0, len(arrivals)
    while start < count:
        begin = max(free, arrivals[start])
        stop, batch = start, 0.0
        while stop < count and arrivals[stop] <= begin:
            if stop > start and batch + texts[stop] > node.max_batch:
                break
            batch += texts[stop]
            stop += 1
        free = begin + node.execution_seconds + batch * node.text_seconds
        latencies[start:stop] = free - arrivals[start:stop] + node.request_seconds
        start = stop
    return latencies


SIZE_GROUPS = 3
"""Number of groups of requests, by their texts, whose latencies are fitted."""

PERCENTILES = (25, 50, 75, 95)
"""Percentiles of each group that are fitted."""

FACTORS = (0.5, 0.7, 0.85, 0.95, 0.98, 1.02, 1.05, 1.18, 1.4, 2.0)
"""Changes of one parameter that are tried in each round of the fit."""

MAX_ROUNDS = 60
"""Maximum rounds of the fit; it usually ends after about 20."""


def fit(load: Load, latencies: Floats) -> Node:
    """Return the node whose simulated latencies under `load` are closest to measured ones.

    The arrivals are those of the measurement, so that only the node is estimated.

    Args:
        load: The requests that were sent.
        latencies: Seconds until the response to each, [requests].
    """
    measured = _profile(load, latencies)

    def error(node: Node) -> float:
        ratio = _profile(load, simulate(node, load)) / measured
        return float(np.sum(np.log(ratio) ** 2))

    fastest = float(latencies.min())
    node = Node(fastest / 2, fastest / 2, fastest / 10)
    best = error(node)
    for _ in range(MAX_ROUNDS):
        before = best
        for name in ("request_seconds", "execution_seconds", "text_seconds"):
            for factor in FACTORS:
                changed = replace(node, **{name: getattr(node, name) * factor})
                if (found := error(changed)) < best:
                    node, best = changed, found
        if best > before * 0.999:
            break
    return node


def _profile(load: Load, latencies: Floats) -> Floats:
    """Return percentiles of the latencies of small, medium and large requests."""
    edges = np.quantile(load.texts, np.linspace(0, 1, SIZE_GROUPS + 1)[1:-1])
    group = np.searchsorted(edges, load.texts)
    parts = [latencies[group == each] for each in range(SIZE_GROUPS)]
    return np.concatenate([np.percentile(part, PERCENTILES) for part in parts if len(part)])


RATE_REQUESTS = 4000
"""Requests that are simulated to find the maximum rate."""

RATE_STEPS = 12
"""Number of bisections: the maximum rate is exact to a 4000th of the capacity."""


def max_rate(node: Node, sizes: Sequence[int], max_p95_seconds: float) -> float:
    """Return the texts per second up to which the 95th percentile of the latencies is low enough.

    The requests of a fleet reach each replica at random times, because many gateways take turns
    independently. A fleet therefore needs its total rate divided by this one.

    Args:
        node: A replica.
        sizes: Possible numbers of texts of a request.
        max_p95_seconds: Maximum of the 95th percentile.
    """
    unit = poisson(1, RATE_REQUESTS, sizes, seed=0)
    mean = float(np.mean(unit.texts))
    low, high = 0.0, node.capacity / mean
    for _ in range(RATE_STEPS):
        middle = (low + high) / 2
        latencies = simulate(node, Load(unit.arrivals / middle, unit.texts))
        if np.percentile(latencies, 95) <= max_p95_seconds:
            low = middle
        else:
            high = middle
    return low * mean
