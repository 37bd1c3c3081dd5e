"""Costs of a fleet that grow with its replicas, besides the encoders' own work."""

from __future__ import annotations

import math

from benchmarks.report import markdown
from triton_embed.gateway.settings import Settings

REPLICAS = (10, 100, 1000)
"""Tritons of the fleets."""

GATEWAY_SECONDS = 0.35e-3
"""CPU seconds of a gateway for one request; docs/performance.md."""

MAX_WORKER_LOAD = 0.5
"""Share of a core that a worker of the gateway may use: above it, requests wait for each other."""

DNS_RECORD_BYTES = 16
"""Bytes of an address in a DNS response; RFC 1035."""

SCRAPE_SECONDS = 15
"""Time between two scrapes of a pod; the default of the chart."""

MODEL_BYTES = 1 << 30
"""Bytes of a model that every replica reads when it starts."""

NETWORK_BYTES = 10e9 / 8
"""Bytes per second of the storage, or the registry, that all replicas read from: 10 Gbit/s."""


def table(requests_per_replica: float, metrics_bytes: int) -> str:
    """Return the costs of each fleet as Markdown.

    Args:
        requests_per_replica: Requests per second that each Triton embeds.
        metrics_bytes: Size of a gateway's metrics.
    """
    refresh = Settings().model_refresh_seconds
    rows = []
    for replicas in REPLICAS:
        requests = replicas * requests_per_replica
        workers = max(2, math.ceil(requests * GATEWAY_SECONDS / MAX_WORKER_LOAD))
        rows.append(
            [
                str(replicas),
                f"{requests:.0f}",
                str(workers),
                str(workers * replicas),
                f"{workers / refresh:.0f}",
                f"{replicas / refresh:.0f}",
                str(replicas * DNS_RECORD_BYTES),
                f"{(replicas + workers) * metrics_bytes / SCRAPE_SECONDS / 1e6:.2f}",
                f"{replicas * MODEL_BYTES / NETWORK_BYTES / 60:.1f}",
            ]
        )
    header = [
        *("replicas", "requests/s", "gateway workers", "connections to Tritons"),
        *("polls/s of a Triton", "polls/s by a worker", "DNS response, bytes"),
        *("scrapes, MB/s", "minutes to load a model of 1 GiB"),
    ]
    return markdown(header, rows)
