"""Measure throughput and latency on this machine and print them as Markdown: ``make bench``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import checkpoints, comparison, infinity, latency, overhead, throughput
from benchmarks.checkouts import THIS
from benchmarks.clients import Embed, grpc_client, http_client
from benchmarks.server import MODEL_ID, conditions
from benchmarks.systems import PackedOnnxRuntime, PaddedOnnxRuntime, SentenceTransformers
from benchmarks.texts import SEED, text_sets
from testing.server import RunningServer
from triton_embed.runtime.processes import tree_rss_bytes

GRPC, HTTP, HTTP_FLOAT = "Triton over gRPC", "HTTP, base64", "HTTP, float"

INT8, INT8_ID = "HTTP, base64, int8 model", "MiniLM-int8"

INFINITY = "infinity over HTTP"

MINUTES = 14.0
"""Default duration of a run."""

LATENCY_SECONDS = 70.0
"""Seconds reserved for latency, which is measured last; measured on 2 cores."""

MINILM_WORKLOADS = ("4×32", "8×8", "16×1")

TEXTS = {"mixed": 128, "short": 320, "long": 32}
"""Number of texts by kind; each kind is seconds of work."""

SHARES = {"mixed": 1 / 2, "short": 1 / 3, "long": 1.0}
"""Share of the remaining time that each kind of text gets."""

LARGE = ("e5-large-size", "llama-300m-size")
"""Large models, with random weights."""

LARGE_TEXTS, LARGE_WORKLOADS = 32, ("4×4",)
"""Texts and workload of a large model: more would take minutes."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help="duration; a longer run gives medians of more rounds (default: %(default).0f)",
    )
    parser.add_argument("--plot", type=Path, help="chart to write, a PNG or SVG file")
    parser.add_argument(
        "--infinity", metavar="COMMAND", help="also measure infinity; see benchmarks/infinity.py"
    )
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    end = perf_counter() + 60 * options.minutes
    _print(
        f"{conditions()}; seed {SEED}; medians of rounds, peers in one of {throughput.PEERS_EVERY}."
    )
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        _large(Path(folder))
        _overhead()
        rates = _minilm(Path(folder), end - LATENCY_SECONDS, options.infinity)
    if options.plot:
        from benchmarks.plot import draw

        draw(rates, options.plot)


def _minilm(
    folder: Path, end: float, infinity_command: str | None
) -> Mapping[str, throughput.Rates]:
    """Measure rounds until `end`, then latency."""
    sets = text_sets(TEXTS["mixed"], TEXTS["short"], TEXTS["long"])
    rates = {}
    with _systems("MiniLM", folder) as (systems, service):
        in_process = systems.peers_in_process
        with _peers(systems, service, infinity_command) as peers:
            for name, texts in sets.items():
                seconds = (end - perf_counter()) * SHARES[name]
                # Padding to the longest text is known to be slow for mixed lengths.
                peer = throughput.SENTENCE_TRANSFORMERS if name == "mixed" else throughput.PADDED
                measured = replace(
                    systems,
                    peers_in_process={peer: in_process[peer]},
                    peers=peers if name == "mixed" else {},
                )
                rates[name] = throughput.measure(measured, texts, MINILM_WORKLOADS, seconds)
                title = f"MiniLM, {name} text"
                _print(throughput.table(title, rates[name], MINILM_WORKLOADS))
                _print(throughput.relative_table(title, HTTP, rates[name], MINILM_WORKLOADS))
        _latency(systems, sets["short"][0], sets["mixed"])
        memory = tree_rss_bytes(service.process.pid) / 2**20
        _print(f"Resident memory of the whole service after that: {memory:.0f} MiB.")
    return rates


@contextmanager
def _peers(
    systems: throughput.Systems, service: RunningServer, infinity_command: str | None
) -> Iterator[Mapping[str, Callable[[], Embed]]]:
    """Yield the peers of `systems`, an int8 model, and infinity if its command is given."""
    THIS.export(checkpoints.MINILM_FOLDER, service.repository, INT8_ID, "--precision", "int8")
    service.wait_for(f"serving {INT8_ID}")
    peers = {**systems.peers, INT8: _http(service, INT8_ID, "base64")}
    with ExitStack() as stack:
        if infinity_command:
            url = stack.enter_context(infinity.running(infinity_command, checkpoints.MINILM_FOLDER))
            peers[INFINITY] = partial(http_client, f"{url}/v1/embeddings", MODEL_ID)
        yield peers


def _latency(systems: throughput.Systems, text: str, texts: Sequence[str]) -> None:
    sentence_transformers = throughput.SENTENCE_TRANSFORMERS
    one = {
        "ONNX Runtime with tokenization": systems.limit.embed,
        sentence_transformers: systems.peers_in_process[sentence_transformers],
        **{name: connect() for name, connect in {**systems.servers, **systems.peers}.items()},
    }
    _print(latency.table(latency.rounds_alone(one, text)))
    _print(str(latency.beside_a_list(systems.servers[HTTP], texts)))


def _overhead() -> None:
    with comparison.running([THIS]) as sides:
        _print(comparison.table(comparison.alternate(overhead.measure, sides, seconds=0.0)))


def _large(folder: Path) -> None:
    """Measure only the servers and the limit, because libraries would take minutes."""
    texts = text_sets(LARGE_TEXTS, 1, 1)["mixed"]
    for name in LARGE:
        with _systems(name, folder, in_process=False) as (systems, _):
            few = replace(systems, peers={})
            rates = throughput.measure(few, texts, LARGE_WORKLOADS, seconds=0.0, min_rounds=1)
            _print(throughput.table(f"{name}, mixed text", rates, LARGE_WORKLOADS))


@contextmanager
def _systems(
    name: str, folder: Path, *, in_process: bool = True
) -> Iterator[tuple[throughput.Systems, RunningServer]]:
    """Export and serve the model `name`, and prepare the systems to compare."""
    checkpoint = checkpoints.checkpoint(name, folder)
    repository = folder / f"{name}-repository"
    # Without prompts, so that all systems embed the same tokens.
    no_prompts = ("--prompt-query", "", "--prompt-passage", "")
    triton_name = THIS.export(checkpoint, repository, name, *no_prompts)
    peers: Mapping[str, Embed] = {}
    if in_process:
        peers = {
            throughput.PADDED: PaddedOnnxRuntime(checkpoint, folder).embed,
            throughput.SENTENCE_TRANSFORMERS: SentenceTransformers(checkpoint).embed,
        }
    with RunningServer(repository) as service:
        yield (
            throughput.Systems(
                limit=PackedOnnxRuntime(repository, triton_name),
                servers={
                    GRPC: lambda: grpc_client(f"127.0.0.1:{service.grpc_port}", name),
                    HTTP: _http(service, name, "base64"),
                },
                peers_in_process=peers,
                peers={HTTP_FLOAT: _http(service, name, "float")},
            ),
            service,
        )


def _http(service: RunningServer, model_id: str, encoding_format: str) -> Callable[[], Embed]:
    options = {"truncate": "END", "encoding_format": encoding_format}
    return partial(http_client, f"{service.url}/v1/embeddings", model_id, **options)


def _print(text: str) -> None:
    print(text, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
