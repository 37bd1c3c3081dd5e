"""Measure throughput and latency on this machine and print them as Markdown: ``make bench``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import checkpoints, documents, infinity, latency, report, tei
from benchmarks.checkouts import THIS
from benchmarks.clients import Embed, grpc_client
from benchmarks.limit import Limit
from benchmarks.peers import FORMATS, Peer, Vectors, min_cosine
from benchmarks.report import Results
from benchmarks.rounds import MIN_COMPARED_ROUNDS, alternate
from benchmarks.server import MODEL_ID, conditions
from benchmarks.systems import SentenceTransformers
from benchmarks.texts import SEED, text_sets
from benchmarks.throughput import LIMIT, SENTENCE_TRANSFORMERS, WORKLOADS, Systems
from testing.server import RunningServer

OURS, GRPC, INT8 = "triton-embed over HTTP", "triton-embed over gRPC", "triton-embed, int8 model"

INT8_ID = "int8"
"""Model id of the int8 export."""

TEXTS = 64
"""Texts of mixed length in one pass of a throughput workload: about a second on 2 cores."""

CHECKED_TEXTS = 16
"""Texts whose vectors are compared with the reference, of mixed length."""

LATENCY_ROUNDS = 2
"""Rounds of the latency workloads for each round of throughput: a measurement is much shorter."""


@dataclass(frozen=True)
class Options:
    """The command line.

    Attributes:
        rounds: Rounds of each workload.
        model: Name of the checkpoint.
        peers: Running servers to measure.
        infinity, tei: Programs of servers to start, if any.
        encoding_format: Encoding of the vectors of every HTTP server.
        plot: Chart to write, if any.
        update: Whether to replace the figures in the documents.
    """

    rounds: int
    model: str
    peers: Sequence[Peer]
    infinity: str | None
    tei: str | None
    encoding_format: str
    plot: Path | None
    update: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rounds",
        type=int,
        default=MIN_COMPARED_ROUNDS,
        help="measurements of each system and workload (default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        choices=("MiniLM", *checkpoints.RANDOM),
        default="MiniLM",
        help="checkpoint; all but the default have random weights (default: %(default)s)",
    )
    parser.add_argument(
        "--peer",
        dest="peers",
        metavar="NAME=URL,MODEL",
        type=Peer.parse,
        action="append",
        default=[],
        help="also measure a running OpenAI-compatible server, URL being its OPENAI_BASE_URL and "
        "MODEL its id of the same checkpoint; may be repeated",
    )
    parser.add_argument(
        "--infinity", metavar="PROGRAM", help="also start infinity; see benchmarks/infinity.py"
    )
    parser.add_argument("--tei", metavar="PROGRAM", help="also start TEI; see benchmarks/tei.py")
    parser.add_argument(
        "--encoding-format",
        choices=FORMATS,
        default=FORMATS[0],
        help="encoding of the vectors of every HTTP server (default: %(default)s)",
    )
    parser.add_argument("--plot", type=Path, help="chart to write, a PNG or SVG file")
    parser.add_argument(
        "--update", action="store_true", help="replace the figures in README.md and docs/"
    )
    return Options(**vars(parser.parse_args(arguments)))


def main() -> None:
    """Measure and print."""
    options = parse()
    os.environ["HF_HUB_OFFLINE"] = "1"
    max_tokens = checkpoints.max_tokens(options.model)
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as name, ExitStack() as stack:
        repository = Path(name) / "repository"
        checkpoint = checkpoints.checkpoint(options.model, Path(name))
        triton_name, precisions = _export(checkpoint, repository, options.model)
        service = stack.enter_context(RunningServer(repository))
        limit = Limit(repository, triton_name, max_tokens)
        ours = [_ours(service, name, model_id) for name, model_id in precisions.items()]
        peers = [*ours, *options.peers, *_started(options, checkpoint, stack)]
        library = SentenceTransformers(checkpoint, max_tokens)
        results = _measure(options, limit, service, peers, library)
    figures = {
        "throughput": "\n\n".join(
            (
                _conditions(options, limit, peers),
                report.main_table(results),
                report.ratio_table(results, OURS),
            )
        ),
        "latency": report.latency_table(results),
    }
    print("\n\n".join(figures.values()))
    if options.update:
        for document in documents.DOCUMENTS:
            documents.update(document, figures)
    if options.plot:
        from benchmarks.plot import draw

        draw(results, options.plot)


def _conditions(options: Options, limit: Limit, peers: Sequence[Peer]) -> str:
    """Return the machine, the versions and the flags of every system."""
    lines = [
        f"{options.model}; {conditions()}; vectors as {options.encoding_format}; seed {SEED}; "
        f"medians of {options.rounds} rounds; share of the limit in parentheses.\n",
        *(f"- {peer.name}: `{peer.description}`" for peer in peers if peer.description),
        f"- {LIMIT}: {limit.fastest(text_sets(TEXTS, 1, 1)['mixed'])}",
    ]
    return "\n".join(lines)


def _export(checkpoint: Path, repository: Path, model: str) -> tuple[str, Mapping[str, str]]:
    """Export a checkpoint, and MiniLM also in int8: random weights say nothing about int8.

    Returns:
        The name of the fp32 model in Triton, and the model ids by the name of the system.
    """
    # Without prompts, so that all systems embed the same tokens.
    no_prompts = ("--prompt-query", "", "--prompt-passage", "")
    name = THIS.export(checkpoint, repository, MODEL_ID, *no_prompts)
    if model in checkpoints.RANDOM:
        return name, {OURS: MODEL_ID}
    THIS.export(checkpoint, repository, INT8_ID, *no_prompts, "--precision", "int8")
    return name, {OURS: MODEL_ID, INT8: INT8_ID}


def _ours(service: RunningServer, name: str, model_id: str) -> Peer:
    return Peer(name, f"{service.url}/v1", model_id, {"truncate": "END"})


def _started(options: Options, checkpoint: Path, stack: ExitStack) -> Iterator[Peer]:
    """Start the servers whose programs are given, until the end of `stack`."""
    if options.tei:
        yield stack.enter_context(tei.running(options.tei, checkpoint))
    if options.infinity:
        yield stack.enter_context(infinity.running(options.infinity, checkpoint))


def _measure(
    options: Options,
    limit: Limit,
    service: RunningServer,
    peers: Sequence[Peer],
    library: SentenceTransformers,
) -> Results:
    texts = text_sets(TEXTS, 1, 1)
    mixed, (short,) = texts["mixed"], texts["short"]
    cosines = _cosines(options, limit, peers, library, [short, *mixed[:CHECKED_TEXTS]])
    connects = {peer.name: peer.connect(options.encoding_format) for peer in peers}
    servers: dict[str, Callable[[], Embed]] = {
        OURS: connects[OURS],
        GRPC: lambda: grpc_client(f"127.0.0.1:{service.grpc_port}", MODEL_ID),
        **connects,
    }
    systems = Systems(limit, servers, {SENTENCE_TRANSFORMERS: library.embed})
    throughput = {
        name: alternate(systems.measures(mixed, *sizes), options.rounds, _reporter(name))
        for name, sizes in WORKLOADS.items()
    }
    one = {LIMIT: lambda: limit.embed, **servers, SENTENCE_TRANSFORMERS: lambda: library.embed}
    alone = {name: partial(latency.alone, connect, short) for name, connect in one.items()}
    beside = {
        name: partial(latency.beside_lists, connect, short, mixed)
        for name, connect in connects.items()
        if name != INT8
    }
    return Results(
        throughput,
        alternate(alone, LATENCY_ROUNDS * options.rounds, _reporter("alone")),
        alternate(beside, options.rounds, _reporter("beside lists")),
        cosines,
    )


def _reporter(workload: str) -> Callable[[str], None]:
    return lambda line: print(f"{workload}: {line}", file=sys.stderr, flush=True)


def _cosines(
    options: Options,
    limit: Limit,
    peers: Sequence[Peer],
    library: SentenceTransformers,
    texts: Sequence[str],
) -> dict[str, float]:
    """Return the minimum cosine of each system's vectors to those of sentence-transformers."""
    reference = library.vectors(texts)
    vectors: dict[str, Vectors] = {LIMIT: limit.vectors(texts)}
    vectors |= {peer.name: peer.vectors(texts, options.encoding_format) for peer in peers}
    return {name: min_cosine(name, rows, reference) for name, rows in vectors.items()}


if __name__ == "__main__":
    main()
