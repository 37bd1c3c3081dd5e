"""What NVIDIA's perf_analyzer, as a client of OpenAI's API, says of the gateway."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from benchmarks import analyzer, server
from benchmarks.server import MODEL_ID
from benchmarks.texts import SEED, text_sets

ENCODINGS = ("float", "base64")


def payloads(texts: Sequence[str], size: int, encoding: str) -> list[dict[str, Any]]:
    """Return bodies for ``/v1/embeddings`` with `size` of `texts` each, as perf_analyzer's data."""
    options = {"model": MODEL_ID, "truncate": "END", "encoding_format": encoding}
    return [
        {"payload": [{**options, "input": list(texts[start : start + size])}]}
        for start in range(0, len(texts) - size + 1, size)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.openai_endpoint", description=__doc__
    )
    server.add_flags(parser)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16], metavar="CLIENTS")
    parser.add_argument("--texts", type=int, default=384, help="how many texts of mixed length")
    parser.add_argument("--inputs", type=int, default=1, help="texts of each request")
    parser.add_argument(
        "--requests", type=int, default=100, help="fewest of a window, of which each run has three"
    )
    options = parser.parse_args()
    if options.texts < options.inputs:
        parser.error("--texts: fewer than --inputs")
    texts = text_sets(options.texts, 0, 0)["mixed"]
    lines: list[str] = []
    print(
        f"{server.conditions()}; seed {SEED}; texts of mixed length, {options.inputs} a request\n"
    )
    with analyzer.ready() as program, server.running(options.url) as target:
        flags = ["-u", target.url, "-i", "http", "--async"]
        flags += ["--service-kind", "openai", "--endpoint", "v1/embeddings"]
        for encoding in ENCODINGS:
            data = payloads(texts, options.inputs, encoding)
            for clients in options.concurrency:
                report = program.run(MODEL_ID, flags, data, clients, options.requests)
                lines.append(
                    f"| {encoding} | {clients} | {report.rate:.0f} "
                    f"| {report.p50:.1f} | {report.p95:.1f} |"
                )
    print("| encoding_format | clients | requests/s | p50 ms | p95 ms |")
    print("|---|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
