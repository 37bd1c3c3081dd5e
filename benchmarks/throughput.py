"""Tokens per second of servers and libraries that embed the same texts, measured in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from benchmarks import comparison
from benchmarks.clients import Embed, base64_client
from benchmarks.closed_loop import seconds_of, send_all
from benchmarks.comparison import Experiment, Quantity, Side
from benchmarks.limit import Limit
from benchmarks.rounds import Measurement
from benchmarks.server import MODEL_ID
from benchmarks.texts import text_sets

REQUESTS = 2
"""Minimum requests of each client; with a single request, the slowest response would decide."""

WORKLOADS = {"4×32": (4, 32), "8×8": (8, 8), "16×1": (16, 1)}
"""Clients in closed loops, and texts of each request. Lists come first: after single texts the
gateway keeps chunks small for some seconds."""

COMPARED_TEXTS = 128
"""Texts of mixed length in one measurement of a checkout: about 3 s on 2 cores."""

LIMIT = "limit of fp32: ONNX Runtime in process"
SENTENCE_TRANSFORMERS = "sentence-transformers, in process"


@dataclass(frozen=True)
class Systems:
    """The systems of a measurement.

    Attributes:
        limit: The encoder in this process; no server is faster.
        servers: Functions that each create a client, by the name of the server.
        libraries: Libraries that embed one request after the other on all cores, by name. More
            clients would not make them faster.
    """

    limit: Limit
    servers: Mapping[str, Callable[[], Embed]]
    libraries: Mapping[str, Embed] = field(default_factory=dict)

    def measures(
        self, texts: Sequence[str], clients: int, size: int
    ) -> dict[str, Callable[[], Measurement]]:
        """Return the measurement of each system, for clients that send lists of `size` texts.

        Servers receive the texts more than once if each client would send fewer than `REQUESTS`.
        """
        requests = split(texts, size)
        tokens = self.limit.tokens(texts)
        passes = ceil(REQUESTS * clients / len(requests))
        measures: dict[str, Callable[[], Measurement]] = {
            LIMIT: lambda: Measurement((), tokens, self.limit.seconds(texts))
        }
        for name, connect in self.servers.items():
            measures[name] = partial(_serve, passes * requests, clients, connect, passes * tokens)
        for name, embed in self.libraries.items():
            measures[name] = partial(_one_by_one, embed, requests, tokens)
        return measures


def split(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return requests of `size` texts; the last may have fewer."""
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _serve(
    requests: Sequence[Sequence[str]], clients: int, connect: Callable[[], Embed], tokens: int
) -> Measurement:
    loop = send_all(requests, clients, connect)
    return Measurement(loop.latencies, tokens, loop.seconds)


def _one_by_one(embed: Embed, requests: Sequence[Sequence[str]], tokens: int) -> Measurement:
    embed(requests[0][:1])
    latencies = [seconds_of(partial(embed, request)) for request in requests]
    return Measurement(latencies, tokens, sum(latencies))


def measure_workload(workload: str, side: Side) -> Mapping[Quantity, float]:
    """Embed the same texts over HTTP, as base64."""
    clients, size = WORKLOADS[workload]
    requests = split(text_sets(COMPARED_TEXTS, 1, 1)["mixed"], size)
    passes = ceil(REQUESTS * clients / len(requests))
    connect = partial(base64_client, side.server.url, MODEL_ID)
    loop = send_all(passes * requests, clients, connect)
    quantity = Quantity(f"{workload}, HTTP base64, texts/s", digits=1)
    return {quantity: passes * COMPARED_TEXTS / loop.seconds}


EXPERIMENTS = tuple(Experiment(partial(measure_workload, each), 0.2) for each in WORKLOADS)


if __name__ == "__main__":
    comparison.command("throughput", __doc__, EXPERIMENTS)
