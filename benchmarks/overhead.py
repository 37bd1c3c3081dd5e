"""CPU time and throughput of everything around the encoder, measured with a trivial one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks import comparison
from benchmarks.clients import base64_client, grpc_client
from benchmarks.closed_loop import count_within
from benchmarks.comparison import TRIVIAL_ID, Experiment, Quantity, Side

CLIENTS = 16
"""Clients in closed loops. With fewer, the gateway idles while a response is computed."""

SECONDS = 4.0
"""Seconds of one measurement: some thousand requests."""

TEXT = "How are vectors searched?"

HTTP_RATE = Quantity("trivial encoder over HTTP, requests/s")
GRPC_RATE = Quantity("trivial encoder over gRPC, requests/s")


def cpu_per_request(process: str) -> Quantity:
    """Return the quantity for the CPU time of one of `Side.processes`."""
    return Quantity(f"CPU of {process}, ms per HTTP request", digits=3)


def measure(side: Side) -> Mapping[Quantity, float]:
    """Send requests with one text each, over HTTP and then over gRPC, without micro-batches."""
    url, address = side.server.url, f"127.0.0.1:{side.server.grpc_port}"
    before = side.cpu_seconds()
    requests = count_within(SECONDS, TEXT, CLIENTS, partial(base64_client, url, TRIVIAL_ID))
    after = side.cpu_seconds()
    calls = count_within(SECONDS, TEXT, CLIENTS, partial(grpc_client, address, TRIVIAL_ID))
    return {
        HTTP_RATE: requests / SECONDS,
        GRPC_RATE: calls / SECONDS,
        **{cpu_per_request(name): 1000 * (after[name] - before[name]) / requests for name in after},
    }


EXPERIMENTS = (Experiment(measure, 0.25),)


if __name__ == "__main__":
    comparison.command("overhead", __doc__, EXPERIMENTS)
