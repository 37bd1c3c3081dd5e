"""Throughput and latency as length, clients and list size grow, beside the limit."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import checkpoints, report
from benchmarks.checkouts import THIS
from benchmarks.checkpoints import LONG
from benchmarks.clients import Embed, base64_client
from benchmarks.closed_loop import send_all
from benchmarks.limit import Limit
from benchmarks.rounds import Measurement, Rounds
from benchmarks.server import MODEL_ID, conditions
from benchmarks.texts import SEED, SHORT_WORDS, text_sets, uniform_texts
from benchmarks.throughput import LIMIT, REQUESTS, split
from testing.server import PATIENT, RunningServer

SERVER = "HTTP"

REPOSITORY = "repository"
"""Name of the model repository's folder."""

LENGTHS = tuple(1 << power for power in range(4, 14))
"""Tokens of a text, 16 to 8192."""

CLIENTS = tuple(1 << power for power in range(9))
"""Clients with one text per request, 1 to 256."""

LIST_SIZES = (1, 4, 16, 64, 256, 1024, 4096, 8192)
"""Texts of a list, 1 to 8192: the default maximum of a request."""

POINT_TOKENS = 8192
"""Minimum tokens of a point: about a second on 2 cores."""

LIMIT_TEXTS = 512
"""Maximum texts from which the limit is measured; more have the same speed."""

LENGTH_CLIENTS = 2
"""Clients of the sweep over lengths: while one text is embedded, the next is on its way."""

SPECIAL_TOKENS = 2
"""Tokens that the tokenizer adds to a text."""


@dataclass(frozen=True)
class Point:
    """The work of one point of a sweep.

    Attributes:
        size: The swept quantity.
        texts: The texts of one pass.
        clients: Clients in closed loops.
        list_size: Texts of a request.
    """

    size: int
    texts: Sequence[str]
    clients: int = 1
    list_size: int = 1


@dataclass(frozen=True)
class Sweep:
    """A quantity that grows.

    Attributes:
        title: The quantity.
        model: Name of the checkpoint.
        points: The work at each size.
    """

    title: str
    model: str
    points: Sequence[Point]


def sweeps(words: Sequence[str]) -> list[Sweep]:
    """Return all sweeps.

    Args:
        words: Words of one token each.
    """
    short = uniform_texts(LIMIT_TEXTS, SHORT_WORDS)
    return [
        Sweep("tokens of a text", LONG, [_length(words, length) for length in LENGTHS]),
        Sweep(
            "clients",
            "MiniLM",
            [Point(clients, short[: max(64, clients)], clients) for clients in CLIENTS],
        ),
        Sweep(
            "texts of a list",
            "MiniLM",
            [Point(size, _repeated(short, max(64, size)), 1, size) for size in LIST_SIZES],
        ),
    ]


def _length(words: Sequence[str], length: int) -> Point:
    generator = random.Random(SEED)
    texts = [
        " ".join(generator.choices(words, k=length - SPECIAL_TOKENS))
        for _ in range(max(POINT_TOKENS // length, LENGTH_CLIENTS))
    ]
    return Point(length, texts, LENGTH_CLIENTS)


def _repeated(texts: Sequence[str], count: int) -> list[str]:
    return [texts[index % len(texts)] for index in range(count)]


def one_token_words(tokens: Callable[[Sequence[str]], int]) -> list[str]:
    """Return words of the benchmark's texts that are one token each.

    Args:
        tokens: Returns the number of tokens of texts.
    """
    words = sorted({word for text in text_sets(64, 1, 1)["mixed"] for word in text.split()})
    return [word for word in words if tokens([word]) == 1 + SPECIAL_TOKENS]


def measure(point: Point, limit: Limit, connect: Callable[[], Embed]) -> Rounds:
    """Measure one point once, on the server and in process."""
    requests = split(point.texts, point.list_size)
    tokens, alike = limit.tokens(point.texts), point.texts[:LIMIT_TEXTS]
    passes = ceil(REQUESTS * point.clients / len(requests))
    loop = send_all(passes * requests, point.clients, connect)
    rounds = Rounds()
    rounds.add(SERVER, Measurement(loop.latencies, passes * tokens, loop.seconds))
    rounds.add(LIMIT, Measurement((), limit.tokens(alike), limit.seconds(alike)))
    return rounds


def table(title: str, points: dict[int, Rounds]) -> str:
    """Return the points of a sweep as a Markdown table."""
    rows = []
    for size, rounds in points.items():
        rate, limit = rounds.rate(SERVER), rounds.rate(LIMIT)
        p50, p95, _ = rounds.percentiles(SERVER)
        cells = (size, f"{rate:.0f}", f"{limit:.0f}", f"{rate / limit:.0%}")
        rows.append([*map(str, cells), f"{p50:.1f}", f"{p95:.1f}"])
    return report.markdown([title, "tokens/s", "limit", "share", "p50, ms", "p95, ms"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--plot", type=Path, help="chart to write, a PNG or SVG file")
    options = parser.parse_args()
    found: dict[str, dict[int, Rounds]] = {}
    with TemporaryDirectory(prefix="triton-embed-benchmark-") as name:
        models = {"MiniLM": MODEL_ID, LONG: LONG}
        limits = {model: _exported(model, models[model], Path(name)) for model in models}
        with RunningServer(Path(name) / REPOSITORY, environment=PATIENT) as service:
            for sweep in sweeps(one_token_words(limits[LONG].tokens)):
                connect = partial(base64_client, service.url, models[sweep.model])
                points = found.setdefault(sweep.title, {})
                for point in sweep.points:
                    points[point.size] = measure(point, limits[sweep.model], connect)
                    print(f"{sweep.title}: {point.size}", file=sys.stderr, flush=True)
    print(f"{conditions()}; seed {SEED}.")
    for title, points in found.items():
        print(f"\n{table(title, points)}")
    if options.plot:
        from benchmarks.plot import draw_curves

        draw_curves({title: _curves(points) for title, points in found.items()}, options.plot)


def _exported(model: str, model_id: str, folder: Path) -> Limit:
    checkpoint, repository = checkpoints.checkpoint(model, folder), folder / REPOSITORY
    name = THIS.export(checkpoint, repository, model_id)
    return Limit(repository, name, checkpoints.max_tokens(model))


def _curves(points: dict[int, Rounds]) -> dict[str, list[tuple[float, float]]]:
    """Return the curves of a sweep, by name."""
    return {
        "tokens/s": [(size, rounds.rate(SERVER)) for size, rounds in points.items()],
        "limit, tokens/s": [(size, rounds.rate(LIMIT)) for size, rounds in points.items()],
        "p95, ms": [(size, rounds.percentiles(SERVER)[1]) for size, rounds in points.items()],
    }


if __name__ == "__main__":
    main()
