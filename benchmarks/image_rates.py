"""Images a second of several systems, measured in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import orjson

from benchmarks.closed_loop import seconds_of
from benchmarks.rounds import MIN_COMPARED_ROUNDS

ROUNDS = MIN_COMPARED_ROUNDS
"""Rounds by default, each with all systems; the median counts."""

CLIENTS = 8
"""Clients that send images at a time: enough to saturate a few cores."""


def bodies(model: str, urls: Sequence[str], size: int, **fields: str) -> list[bytes]:
    """Return the bodies of requests with `size` images each."""
    return [
        orjson.dumps({"model": model, "input": inputs, "encoding_format": "base64", **fields})
        for start in range(0, len(urls), size)
        if (inputs := urls[start : start + size])
    ]


@contextmanager
def sending() -> Iterator[Callable[[str, Sequence[bytes]], None]]:
    """Yield a function that posts bodies to a service, from `CLIENTS` clients that share them."""
    with httpx.Client(timeout=300) as client, ThreadPoolExecutor(CLIENTS) as pool:

        def send(url: str, requests: Sequence[bytes]) -> None:
            def post(body: bytes) -> None:
                client.post(f"{url}/v1/embeddings", content=body).raise_for_status()

            list(pool.map(post, requests))

        yield send


def print_rates(
    systems: Mapping[str, Callable[[], None]],
    ratios: Sequence[tuple[str, str]],
    images: int,
    rounds: int = ROUNDS,
) -> None:
    """Run the systems in turn, and print the images a second of each, and ratios within rounds.

    Args:
        systems: Each embeds `images` images when it is called.
        ratios: Pairs of systems that are compared.
        images: Images in a round.
        rounds: Number of rounds.
    """
    for run in systems.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds):
        names = list(systems)
        # In alternating order, because a system may warm the processor up for the next one.
        for name in names if number % 2 == 0 else names[::-1]:
            rates[name].append(images / seconds_of(systems[name]))
    for name, values in rates.items():
        print(f"{name}: {np.median(values):.1f} images/s")
    for name, base in ratios:
        compared = np.divide(rates[name], rates[base])
        spread = f"{compared.min():.2f} to {compared.max():.2f} in {rounds} rounds"
        print(f"{name} / {base}: {np.median(compared):.2f} ({spread})", flush=True)
