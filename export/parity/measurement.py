"""The gate: the finished ONNX model must equal the reference, alone and in any batch_mates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from triton_embed.contract import tensors
from triton_embed.export.errors import ExportError
from triton_embed.export.options import ExportOptions
from triton_embed.export.parity.reference import Reference
from triton_embed.export.parity.session import open_session
from triton_embed.export.precision import PRECISIONS
from triton_embed.export.progress import Advance, silent

DEPTH = 10
"""How many texts a search returns."""


@dataclass(frozen=True)
class Parity:
    """How far the ONNX model is from the reference, at worst over all texts and prompts.

    Attributes:
        max_absolute_error: Largest difference of one component.
        min_cosine: Smallest cosine between a vector and its reference.
        retrieval: Mean nDCG@10 of searches among the texts, each for the others: the reference's
            cosines, less the smallest of the search, are the gains.
        max_batch_deviation: Largest difference of one component between a text alone and the same
            text in a batch, as part of the vector's length.
        texts: How many vectors were compared.
        target: What the model is for; see `export.target`.
        precision: The name of the precision, which says what is allowed.
        caveat: How what was measured differs from what will be served; ``None``: not at all.
    """

    max_absolute_error: float
    min_cosine: float
    retrieval: float
    max_batch_deviation: float
    texts: int
    target: str
    precision: str
    caveat: str | None

    def __str__(self) -> str:
        return (
            f"max absolute error {self.max_absolute_error:.1e}, min cosine {self.min_cosine:.7f} "
            f"over {self.texts} vectors"
        )

    def check(self) -> None:
        """Raise ExportError if a threshold is missed; NaN misses every threshold."""
        limits = PRECISIONS[self.precision].limits
        most = limits.max_absolute_error
        if not (
            (most is None or self.max_absolute_error <= most)
            and self.min_cosine >= limits.min_cosine
            and self.retrieval >= limits.min_retrieval
            and self.max_batch_deviation <= limits.max_batch_deviation
        ):
            raise ExportError(
                "parity with the reference failed: max absolute error "
                f"{self.max_absolute_error:.2e} ({'no limit' if most is None else f'limit {most}'})"
                f", min cosine {self.min_cosine:.6f} (limit {limits.min_cosine}), retrieval "
                f"{self.retrieval:.4f} (limit {limits.min_retrieval}), alone against in a batch "
                f"{self.max_batch_deviation:.1e} (limit {limits.max_batch_deviation}), "
                f"for {self.precision}"
            )

    def write(self, path: Path) -> None:
        """Write the figures and their limits as JSON."""
        limits = asdict(PRECISIONS[self.precision].limits)
        path.write_text(json.dumps({**asdict(self), "limits": limits}, indent=2) + "\n")


def measure(
    model: Path,
    reference: Reference,
    max_tokens: int,
    texts: Sequence[str],
    variant: ExportOptions,
    advance: Advance = silent,
) -> Parity:
    """Compare the ONNX file `model` with `reference` on `texts`.

    Every text goes through the model alone, and all together in ragged batches of several
    requests, whose rows have different widths.
    """
    session, caveat = open_session(model, variant.target)
    tokenizer = Tokenizer.from_str(reference.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    worst = batch_mates = 0.0
    least = 1.0
    searches: list[float] = []
    count = 0
    for prompt, expected in reference.vectors.items():
        rows = [item.ids for item in tokenizer.encode_batch([prompt + text for text in texts])]
        singles = []
        for row in rows:
            singles.append(_run(session, [[row]]))
            advance(count + len(singles), 2 * len(rows) * len(reference.vectors), "texts")
        alone = np.concatenate(singles)
        together = np.concatenate(
            [
                _run(session, _requests(rows[start : start + variant.max_batch_size]))
                for start in range(0, len(rows), variant.max_batch_size)
            ]
        )
        for vectors in (alone, together):
            worst = float(np.maximum(worst, np.abs(vectors - expected).max()))
            least = float(np.minimum(least, _cosines(vectors, expected).min()))
            count += len(vectors)
        searches.append(_retrieval(together, expected))
        lengths = np.linalg.norm(alone, axis=1, keepdims=True)
        batch_mates = float(np.maximum(batch_mates, (np.abs(alone - together) / lengths).max()))
    return Parity(
        max_absolute_error=worst,
        min_cosine=least,
        retrieval=float(np.mean(searches)),
        max_batch_deviation=batch_mates,
        texts=count,
        target=variant.target.name,
        precision=variant.precision.name,
        caveat=caveat,
    )


def _requests(rows: Sequence[list[int]]) -> list[Sequence[list[int]]]:
    """Return `rows` as requests of 1 to 5 rows."""
    requests: list[Sequence[list[int]]] = []
    start = 0
    while start < len(rows):
        stop = start + 1 + len(requests) % 5
        requests.append(rows[start:stop])
        start = stop
    return requests


def _run(
    session: onnxruntime.InferenceSession, requests: Sequence[Sequence[Sequence[int]]]
) -> NDArray[np.float32]:
    """Run one ragged batch, fed as Triton feeds it, and return float32 [items, dimension]."""
    flat: list[int] = []
    lengths: list[int] = []
    widths: list[int] = []
    for rows in requests:
        width = max(map(len, rows))
        for row in rows:
            flat.extend((*row, *[0] * (width - len(row))))
            lengths.append(len(row))
            widths.append(width)
    feed: Mapping[str, NDArray[np.int32]] = {
        tensors.TOKEN_IDS: np.array(flat, np.int32),
        tensors.LENGTH: np.array(lengths, np.int32)[:, None],
        tensors.ROW_WIDTH: np.array(widths, np.int32)[:, None],
    }
    return session.run([tensors.EMBEDDINGS], feed)[0]


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    left, right = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(1) / norms


def _retrieval(vectors: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the nDCG of `Parity.retrieval`."""
    unit, truth = (
        item / np.linalg.norm(item, axis=1, keepdims=True) for item in (vectors, expected)
    )
    others = ~np.eye(len(unit), dtype=bool)
    found, gains = ((item @ item.T)[others].reshape(len(unit), -1) for item in (unit, truth))
    gains = gains - gains.min(1, keepdims=True)
    discounts = 1 / np.log2(np.arange(DEPTH) + 2)
    first = np.argsort(-found, axis=1, kind="stable")[:, :DEPTH]
    reached = np.take_along_axis(gains, first, axis=1) @ discounts
    best = -np.sort(-gains, axis=1)[:, :DEPTH] @ discounts
    return float((reached / best).mean())
