"""Measures speed on this machine, side by side, and prints it as Markdown: ``make bench``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import checkpoints, infinity, latency, overhead, throughput
from benchmarks.processes import resident_bytes
from benchmarks.server import MODEL_ID, conditions
from benchmarks.systems import (
    Embed,
    PackedOnnxRuntime,
    PaddedOnnxRuntime,
    SentenceTransformers,
    grpc_client,
    http_client,
)
from benchmarks.texts import SEED, text_sets
from tests.service import Service

GRPC, HTTP, HTTP_FLOAT = "Triton over gRPC", "HTTP, base64", "HTTP, float"

INT8, INT8_ID = "HTTP, base64, int8 model", "MiniLM-int8"

INFINITY = "infinity over HTTP"

ROUNDS = 3

TEXTS = {"mixed": 128, "short": 320, "long": 32}
"""How many of each kind: enough for seconds, few enough for minutes."""

LARGE, LARGE_TEXTS = ("e5-large-size", "llama-300m-size"), 24


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="medians are over so many")
    parser.add_argument("--plot", type=Path, help="PNG or SVG to draw")
    parser.add_argument(
        "--infinity", metavar="COMMAND", help="measure infinity, too; see benchmarks/infinity.py"
    )
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(f"{conditions()}; seed {SEED}; medians of {options.rounds} rounds.\n", flush=True)
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        rates = _minilm(Path(folder), options.rounds, options.infinity)
        _overhead(Path(folder))
        _large(Path(folder))
    if options.plot:
        from benchmarks.plot import draw

        draw(rates, options.plot)


def _minilm(folder: Path, rounds: int, peer: str | None) -> Mapping[str, throughput.Rates]:
    sets = text_sets(TEXTS["mixed"], TEXTS["short"], TEXTS["long"])
    workloads = list(throughput.WORKLOADS)
    rates = {}
    with _systems("MiniLM", folder) as (systems, service):
        few = replace(
            systems,
            in_process={throughput.PADDED: systems.in_process[throughput.PADDED]},
            servers={name: systems.servers[name] for name in (GRPC, HTTP)},
        )
        with _peers(systems, service, peer) as everything:
            for name, texts in sets.items():
                measured = everything if name == "mixed" else few
                rates[name] = throughput.measure(measured, texts, rounds, workloads)
                _say(throughput.table(f"MiniLM, {name} text", rates[name], workloads))
        _latency(systems, sets["short"][0], sets["mixed"])
        memory = resident_bytes(service.process.pid) / 2**20
        _say(f"Resident memory of the whole service after that: {memory:.0f} MiB.")
    return rates


@contextmanager
def _peers(
    systems: throughput.Systems, service: Service, peer: str | None
) -> Iterator[throughput.Systems]:
    """Yield `systems`, an int8 model, and infinity if there is its command `peer`."""
    checkpoints.export(
        checkpoints.MINILM_FOLDER, service.repository, INT8_ID, "--precision", "int8"
    )
    service.wait_for(f"serving {INT8_ID}")
    servers = {**systems.servers, INT8: _http(service, INT8_ID, "base64")}
    with ExitStack() as stack:
        if peer:
            url = stack.enter_context(infinity.running(peer, checkpoints.MINILM_FOLDER))
            servers[INFINITY] = partial(http_client, f"{url}/v1/embeddings", MODEL_ID)
        yield replace(systems, servers=servers)


def _latency(systems: throughput.Systems, text: str, texts: Sequence[str]) -> None:
    sentence_transformers = throughput.SENTENCE_TRANSFORMERS
    one = {
        "ONNX Runtime with tokenization": systems.limit.embed,
        sentence_transformers: systems.in_process[sentence_transformers],
        **{name: connect() for name, connect in systems.servers.items()},
    }
    _say(latency.table(latency.alone(one, text)))
    _say(str(latency.beside_a_list(systems.servers[HTTP], texts)))


def _overhead(folder: Path) -> None:
    with _systems("trivial", folder, in_process=False) as (systems, service):
        _say(str(overhead.measure(service, systems.servers, HTTP)))


def _large(folder: Path) -> None:
    """Measure how near servers come to the limit; more systems would take minutes more."""
    texts = text_sets(LARGE_TEXTS, 1, 1)["mixed"]
    for name in LARGE:
        with _systems(name, folder, in_process=False) as (systems, _):
            servers = {name: systems.servers[name] for name in (GRPC, HTTP)}
            systems = replace(systems, servers=servers)
            rates = throughput.measure(systems, texts, 1, ["8×8"], passes=1)
            _say(throughput.table(f"{name}, mixed text", rates, ["8×8"]))


@contextmanager
def _systems(
    name: str, folder: Path, *, in_process: bool = True
) -> Iterator[tuple[throughput.Systems, Service]]:
    """Export and serve the model `name`, and make everything that is compared with it."""
    checkpoint = checkpoints.checkpoint(name, folder)
    repository = folder / f"{name}-repository"
    # As the others, servers are asked for texts without saying what they are for.
    triton_name = checkpoints.export(checkpoint, repository, name, "--symmetric")
    peers: Mapping[str, Embed] = {}
    if in_process:
        peers = {
            throughput.PADDED: PaddedOnnxRuntime(checkpoint, folder).embed,
            throughput.SENTENCE_TRANSFORMERS: SentenceTransformers(checkpoint).embed,
        }
    with ExitStack() as stack:
        service = stack.enter_context(Service(repository))
        yield (
            throughput.Systems(
                limit=PackedOnnxRuntime(repository, triton_name),
                in_process=peers,
                servers=_servers(service, name),
            ),
            service,
        )


def _servers(service: Service, model_id: str) -> Mapping[str, Callable[[], Embed]]:
    return {
        GRPC: lambda: grpc_client(f"127.0.0.1:{service.grpc_port}", model_id),
        HTTP: _http(service, model_id, "base64"),
        HTTP_FLOAT: _http(service, model_id, "float"),
    }


def _http(service: Service, model_id: str, encoding_format: str) -> Callable[[], Embed]:
    options = {"truncate": "END", "encoding_format": encoding_format}
    return partial(http_client, f"{service.url}/v1/embeddings", model_id, **options)


def _say(text: str) -> None:
    print(text, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
