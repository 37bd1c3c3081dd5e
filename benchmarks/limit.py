"""The limit of every server: the exported encoder in this process, in its best arrangement.

A server cannot be faster, because here only the necessary work is done, on all cores: the client's
JSON is written and parsed, the texts are tokenized and embedded, and the vectors are encoded. There
are no sockets, no other processes and no waiting. All texts are known from the start, so that an
execution has texts of similar length, of any number of requests.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from os import cpu_count
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.closed_loop import seconds_of
from benchmarks.systems import PackedOnnxRuntime

EXECUTION_TEXTS = (4, 16, 64, 256)
"""The tried sizes of an execution, in texts. The fastest is the largest whose data stay in the
caches, so it depends on the model and the length of the texts."""

CANDIDATES = 2
"""Fastest arrangements that are measured again in every round; their order changes with noise."""


@dataclass(frozen=True)
class Arrangement:
    """A way to divide texts among executions and cores.

    Attributes:
        texts: Texts of an execution.
        parallel: Whether each core has executions of its own, instead of all cores the same one.
    """

    texts: int
    parallel: bool

    def __str__(self) -> str:
        cores = "each core separately" if self.parallel else "all cores together"
        return f"{self.texts} texts per execution, {cores}"


class Limit:
    """The encoder in this process.

    Args:
        repository: The model repository.
        name: The model's name in it.
        max_tokens: Token limit of the model; longer texts are truncated.
    """

    def __init__(self, repository: Path, name: str, max_tokens: int) -> None:
        self._all_cores = PackedOnnxRuntime(repository, name, max_tokens)
        self._one_core = PackedOnnxRuntime(repository, name, max_tokens, threads=1)
        self._candidates: dict[tuple[str, ...], list[Arrangement]] = {}

    def tokens(self, texts: Sequence[str]) -> int:
        """Return the number of tokens of `texts`."""
        return sum(map(len, self._all_cores.tokenize(texts)))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`."""
        return self._all_cores.run(self._all_cores.tokenize(texts))

    def embed(self, texts: Sequence[str]) -> None:
        """Embed `texts` in one execution on all cores, from and to JSON."""
        _respond(self._all_cores, texts)

    def seconds(self, texts: Sequence[str]) -> float:
        """Return the seconds for `texts` in the fastest arrangement.

        All arrangements are measured the first time, and the fastest `CANDIDATES` from then on.
        """
        ordered = tuple(sorted(texts, key=len))
        tried = self._candidates.get(ordered) or arrangements(len(texts))
        found = {arrangement: self._measure(ordered, arrangement) for arrangement in tried}
        self._candidates[ordered] = sorted(found, key=found.__getitem__)[:CANDIDATES]
        return min(found.values())

    def fastest(self, texts: Sequence[str]) -> Arrangement:
        """Return the arrangement that was the fastest in the latest measurement of `texts`."""
        return self._candidates[tuple(sorted(texts, key=len))][0]

    def _measure(self, texts: Sequence[str], arrangement: Arrangement) -> float:
        starts = range(0, len(texts), arrangement.texts)
        queue = iter([texts[start : start + arrangement.texts] for start in starts])
        if not arrangement.parallel:
            return seconds_of(lambda: [_respond(self._all_cores, part) for part in queue])
        cores, lock = cpu_count() or 1, threading.Lock()
        with ThreadPoolExecutor(cores) as pool:
            work = partial(_work, self._one_core, queue, lock)
            return seconds_of(
                lambda: [each.result() for each in [pool.submit(work) for _ in range(cores)]]
            )


def arrangements(texts: int) -> list[Arrangement]:
    """Return the arrangements to try for a number of texts; each has work for every core."""
    sizes = sorted({min(size, texts) for size in EXECUTION_TEXTS})
    parallel = [size for size in sizes if size * (cpu_count() or 1) <= texts]
    return [Arrangement(size, False) for size in sizes] + [
        Arrangement(size, True) for size in parallel
    ]


def _work(encoder: PackedOnnxRuntime, queue: Iterator[Sequence[str]], lock: threading.Lock) -> None:
    while True:
        with lock:
            texts = next(queue, None)
        if texts is None:
            return
        _respond(encoder, texts)


def _respond(encoder: PackedOnnxRuntime, texts: Sequence[str]) -> bytes:
    """Embed `texts` as a request, and return the body of the response."""
    body = json.dumps({"model": "model", "input": texts}).encode()
    vectors = encoder.run(encoder.tokenize(orjson.loads(body)["input"]))
    return orjson.dumps({"data": [base64.b64encode(row).decode() for row in vectors]})
