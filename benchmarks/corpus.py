"""Speed and memory of ``triton-embed embed``, compared with other clients of the same server."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import psutil

from benchmarks import corpus_rivals
from benchmarks.checkouts import THIS
from benchmarks.checkpoints import MINILM_FOLDER
from benchmarks.clients import Embed, base64_client, grpc_client
from benchmarks.closed_loop import send_all
from benchmarks.server import MODEL_ID, conditions
from benchmarks.texts import corpus_texts
from testing.corpora import start_embed
from testing.paths import ROOT
from testing.server import RunningServer
from triton_embed.runtime.processes import rss_bytes

BASE = "benchmarks.throughput's client, 4×32"
"""The measurement that the others are compared with."""

COMMAND = "triton-embed embed"
LOOP, LANGCHAIN = "openai, a loop over lists of 32", "langchain-openai, embed_documents"
"""The command, and the clients that it must be faster than."""

MIN_RATIO = 0.95
"""Minimum rate of ``embed`` relative to `BASE`."""

MAX_CLIENT_BYTES = 300 << 20
"""Maximum resident memory of ``embed``, in bytes."""

LANGCHAIN_PYTHON = ROOT / ".venv-clients" / "langchain-openai" / "bin" / "python"
"""The environment that ``make test-clients`` makes for langchain-openai."""

Measure = Callable[[], float]
"""Embeds a sample of the texts, and returns the seconds that it took."""


def clients(texts: Sequence[str], clients: int, size: int, connect: Callable[[], Embed]) -> float:
    """Return the seconds that clients in closed loops take for lists of `size` texts."""
    requests = [texts[start : start + size] for start in range(0, len(texts), size)]
    return send_all(requests, clients, connect).seconds


def rival(python: Path, name: str, url: str, file: Path) -> float:
    """Return the seconds of another client; see `benchmarks.corpus_rivals`."""
    command = [str(python), corpus_rivals.__file__, name, url, MODEL_ID, str(file)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def embed(url: str, file: Path, folder: Path) -> tuple[dict[str, float], list[int]]:
    """Run ``embed``; return its summary, and its resident memory in bytes, several per second."""
    output = folder / f"out-{len(list(folder.iterdir()))}"
    arguments = ("--output", str(output), "--url", url, "--model", MODEL_ID, "--truncate", "END")
    process = start_embed(str(file), *arguments)
    sizes = []
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        sizes.append(rss_bytes(watched.pid))
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    summary, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors)
    found: dict[str, float] = json.loads(summary)
    return found, [size for size in sizes if size]


def wire_measurements(service: RunningServer, texts: Sequence[str]) -> Mapping[str, Measure]:
    """Return the measurements of both protocols, with sorted texts, as ``embed`` sends them."""
    ordered = sorted(texts, key=len, reverse=True)
    http = partial(base64_client, service.url, MODEL_ID)
    grpc = partial(grpc_client, f"127.0.0.1:{service.grpc_port}", MODEL_ID)
    return {
        "HTTP base64, 2×64, sorted": lambda: clients(ordered, 2, 64, http),
        "gRPC, 2×64, sorted": lambda: clients(ordered, 2, 64, grpc),
    }


def measurements(
    service: RunningServer, texts: Sequence[str], folder: Path, langchain: Path
) -> dict[str, Measure]:
    """Return the measurements of all clients by name, each of the same texts."""
    file = folder / "sample.txt"
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    http = partial(base64_client, service.url, MODEL_ID)
    python = Path(sys.executable)
    found: dict[str, Measure] = {
        BASE: lambda: clients(texts, 4, 32, http),
        COMMAND: lambda: embed(service.url, file, folder)[0]["seconds"],
        LOOP: lambda: rival(python, "openai", service.url, file),
        "openai, asynchronous, 8 in flight": lambda: rival(
            python, "openai-async", service.url, file
        ),
    }
    if langchain.exists():
        found[LANGCHAIN] = lambda: rival(langchain, "langchain", service.url, file)
    return found


def compare(found: Mapping[str, Measure], rounds: int, texts: int) -> bool:
    """Measure in rounds, and print a table of the rates.

    Returns:
        Whether `MIN_RATIO` is met, and the command is faster than its rivals.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, measure in found.items():
            seconds[name].append(measure())
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    print(f"| client | texts/s | relative to {BASE} | rounds |\n|---|---:|---:|---|")
    ratios = {}
    for name, values in seconds.items():
        each = [base / value for base, value in zip(seconds[BASE], values, strict=True)]
        ratios[name] = median(each)
        shown = ", ".join(f"{ratio:.2f}" for ratio in each)
        print(f"| {name} | {texts / median(values):.0f} | {ratios[name]:.2f} | {shown} |")
    fastest = max(ratios.get(name, 0.0) for name in (LOOP, LANGCHAIN))
    return ratios[COMMAND] >= max(MIN_RATIO, fastest)


def embed_all(
    service: RunningServer, texts: Sequence[str], sample: Sequence[str], folder: Path
) -> bool:
    """Embed all texts, with `BASE` on a sample before and after; print rates and memory.

    Returns:
        Whether rate and memory are within the limits.
    """
    file, sample_file = folder / "all.txt", folder / "sample.txt"
    for path, lines in ((file, texts), (sample_file, sample)):
        path.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    http = partial(base64_client, service.url, MODEL_ID)
    tokens = embed(service.url, sample_file, folder)[0]["tokens"]
    before = clients(sample, 4, 32, http)
    summary, sizes = embed(service.url, file, folder)
    rates = [tokens / seconds for seconds in (before, clients(sample, 4, 32, http))]
    ratio = summary["tokens_per_second"] / mean(rates)
    thirds = [
        max(sizes[len(sizes) * part // 3 : len(sizes) * (part + 1) // 3]) for part in range(3)
    ]
    print(
        f"\n{len(texts)} texts in {summary['seconds']:.1f} s: "
        f"{summary['texts_per_second']:.0f} texts/s, {summary['tokens_per_second']:.0f} tokens/s, "
        f"which is {ratio:.2f} of {BASE}, before ({rates[0]:.0f} tokens/s) and after it "
        f"({rates[1]:.0f}); peak memory of the client in each third of the run: "
        f"{', '.join(f'{size / 1e6:.0f}' for size in thirds)} MB"
    )
    return ratio >= MIN_RATIO and max(sizes) <= MAX_CLIENT_BYTES


def main() -> int:
    """Measure, print, and return 1 if a limit is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--texts", type=int, default=50_000, help="texts (default: %(default)s)")
    parser.add_argument(
        "--sample", type=int, default=3_000, help="texts of each comparison (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="comparisons (default: %(default)s)")
    parser.add_argument(
        "--langchain", type=Path, default=LANGCHAIN_PYTHON, help="Python with langchain-openai"
    )
    parser.add_argument("--wire", action="store_true", help="compare HTTP with gRPC, too")
    options = parser.parse_args()
    texts = corpus_texts(options.texts)
    sample = texts[:: max(len(texts) // options.sample, 1)][: options.sample]
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as path:
        folder = Path(path)
        THIS.export(MINILM_FOLDER, folder / "repository", MODEL_ID)
        with RunningServer(folder / "repository") as service:
            print(f"{conditions()}\n", flush=True)
            met = True
            if options.rounds:
                found = measurements(service, sample, folder, options.langchain)
                if options.wire:
                    found |= wire_measurements(service, sample)
                met = compare(found, options.rounds, len(sample))
            if options.texts > options.sample:
                met = embed_all(service, texts, sample, folder) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
