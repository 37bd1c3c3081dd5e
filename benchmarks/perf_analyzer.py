"""Measure the ensemble and each of its steps over gRPC, with NVIDIA's perf_analyzer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from benchmarks import analyzer
from benchmarks.analyzer import PerfAnalyzer, Report
from benchmarks.checkouts import THIS
from benchmarks.checkpoints import MINILM_FOLDER
from benchmarks.server import MODEL_ID, conditions
from benchmarks.texts import SEED, text_sets
from testing.server import RunningServer
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.pipelines import ENCODER, POSTPROCESS, TOKENIZER
from triton_embed.contract.tensors import (
    EMBEDDINGS,
    LENGTH,
    TEXT,
    TOKEN_IDS,
)

MAX_TOKENS, DIMENSION = 256, 384
"""Token limit and dimension of the default model."""

ENSEMBLE = "ensemble"

Inputs = list[dict[str, Any]]
"""Requests of one item each: tensors by name, in the format of perf_analyzer's input files."""


def inputs(texts: Sequence[str]) -> dict[str, Inputs]:
    """Return requests for the ensemble and for each step, one for each of `texts`.

    The encoder receives the ids of the text, so the widths of requests differ. The postprocess step
    receives random unit vectors, because its time does not depend on them.
    """
    tokenizer = Tokenizer.from_file(str(MINILM_FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    rows = [item.ids for item in tokenizer.encode_batch(list(texts))]
    vectors = np.random.default_rng(SEED).standard_normal((len(texts), DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    text = [{TEXT: [item]} for item in texts]
    return {
        ENSEMBLE: text,
        TOKENIZER.name: text,
        ENCODER.name: [{TOKEN_IDS: _tensor(row), LENGTH: [len(row)]} for row in rows],
        POSTPROCESS.name: [{EMBEDDINGS: _tensor(row)} for row in vectors.tolist()],
    }


def _tensor(values: Sequence[float]) -> dict[str, Sequence[float]]:
    """Return a tensor with its shape, which perf_analyzer requires for variable dimensions."""
    return {"content": values, "shape": [len(values)]}


def measure(
    program: PerfAnalyzer,
    address: str,
    requests: Mapping[str, Inputs],
    clients: Sequence[int],
    count: int,
) -> Iterator[tuple[str, int, Report]]:
    """Yield a report for each of `requests` and each number of `clients`."""
    # Some docstrings exceed the model's limit; the steps after the tokenizer ignore this option.
    flags = ["-u", address, "-i", "grpc", "--request-parameter", "truncate:END:string"]
    ensemble = triton_model_name(MODEL_ID)
    steps = (TOKENIZER, ENCODER, POSTPROCESS)
    names = {ENSEMBLE: ensemble, **{step.name: step.triton_name(ensemble) for step in steps}}
    for name, data in requests.items():
        model = names[name]
        for concurrency in clients:
            yield name, concurrency, program.run(model, flags, data, concurrency, count)


@contextmanager
def _triton(address: str | None) -> Iterator[str]:
    """Yield `address`, or that of a Triton with the default model that runs while in the block."""
    if address:
        yield address
        return
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as folder:
        repository = Path(folder) / "repository"
        THIS.export(MINILM_FOLDER, repository, MODEL_ID)
        with RunningServer(repository) as service:
            yield f"127.0.0.1:{service.grpc_port}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.perf_analyzer", description=__doc__)
    parser.add_argument(
        "--grpc",
        metavar="HOST:PORT",
        help="a running Triton with the default model (default: start one on free ports)",
    )
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16], metavar="CLIENTS")
    parser.add_argument("--texts", type=int, default=384, help="number of texts of mixed length")
    parser.add_argument(
        "--requests",
        type=int,
        default=100,
        help="minimum requests per window; each run has three windows",
    )
    options = parser.parse_args()
    requests = inputs(text_sets(options.texts, 0, 0)["mixed"])
    print(f"{conditions()}; seed {SEED}; texts of mixed length, 1 a request\n")
    with analyzer.ready() as program, _triton(options.grpc) as address:
        results = measure(program, address, requests, options.concurrency, options.requests)
        lines = [
            f"| {name} | {clients} | {report.rate:.0f} | {report.p50:.1f} | {report.p95:.1f} "
            f"| {report.queue:.2f} | {report.compute:.2f} |"
            for name, clients, report in results
        ]
    print("| model | clients | inferences/s | p50 ms | p95 ms | server queue ms | compute ms |")
    print("|---|---|---|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
