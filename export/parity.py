"""The gate: the finished ONNX model must equal the reference, alone and in any company."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contract import names
from export.errors import ExportError
from export.reference import Reference
from export.runtime import open_session
from export.target import Target

MAX_ABSOLUTE_ERROR = 1e-4
MIN_COSINE = 0.99999


@dataclass(frozen=True)
class Parity:
    """How far the ONNX model is from the reference, at worst over all texts and prompts.

    Attributes:
        max_absolute_error: Largest difference of one component.
        min_cosine: Smallest cosine between a vector and its reference.
        texts: How many vectors were compared.
        target: What the model is for; see `export.target`.
        caveat: How what was measured differs from what will be served; ``None``: not at all.
    """

    max_absolute_error: float
    min_cosine: float
    texts: int
    target: str
    caveat: str | None

    def __str__(self) -> str:
        return (
            f"max absolute error {self.max_absolute_error:.1e}, min cosine {self.min_cosine:.7f} "
            f"over {self.texts} vectors"
        )

    def check(self) -> None:
        """Raise ExportError if a threshold is missed; NaN misses every threshold."""
        if not (self.max_absolute_error <= MAX_ABSOLUTE_ERROR and self.min_cosine >= MIN_COSINE):
            raise ExportError(
                "parity with the reference failed: max absolute error "
                f"{self.max_absolute_error:.2e} (limit {MAX_ABSOLUTE_ERROR:.0e}), min cosine "
                f"{self.min_cosine:.6f} (limit {MIN_COSINE})"
            )

    def write(self, path: Path) -> None:
        """Write the figures and their limits as JSON."""
        limits = {"max_absolute_error": MAX_ABSOLUTE_ERROR, "min_cosine": MIN_COSINE}
        path.write_text(json.dumps({**asdict(self), "limits": limits}, indent=2) + "\n")


def measure(
    model: Path,
    reference: Reference,
    max_tokens: int,
    texts: Sequence[str],
    target: Target,
    max_batch_size: int,
) -> Parity:
    """Compare the ONNX file `model` with `reference` on `texts`.

    Every text goes through the model alone, and all together in ragged batches of several
    requests, whose rows have different widths.
    """
    session, caveat = open_session(model, target)
    tokenizer = Tokenizer.from_str(reference.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    worst = 0.0
    least = 1.0
    count = 0
    for prompt, expected in reference.vectors.items():
        rows = [item.ids for item in tokenizer.encode_batch([prompt + text for text in texts])]
        alone = np.concatenate([_run(session, [[row]]) for row in rows])
        batches = [
            rows[start : start + max_batch_size] for start in range(0, len(rows), max_batch_size)
        ]
        together = np.concatenate([_run(session, _requests(batch)) for batch in batches])
        for vectors in (alone, together):
            worst = float(np.maximum(worst, np.abs(vectors - expected).max()))
            least = float(np.minimum(least, _cosines(vectors, expected).min()))
            count += len(vectors)
    return Parity(worst, least, count, target.name, caveat)


def _requests(rows: Sequence[list[int]]) -> list[Sequence[list[int]]]:
    """Return `rows` as requests of 1 to 5 rows."""
    return [rows[start : start + 1 + start % 5] for start in _starts(len(rows))]


def _starts(count: int) -> list[int]:
    """Return where requests of 1 to 5 rows begin that together cover `count` rows."""
    starts = [0]
    while (following := starts[-1] + 1 + starts[-1] % 5) < count:
        starts.append(following)
    return starts


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
        names.TOKEN_IDS: np.array(flat, np.int32),
        names.LENGTH: np.array(lengths, np.int32)[:, None],
        names.ROW_WIDTH: np.array(widths, np.int32)[:, None],
    }
    return session.run([names.EMBEDDINGS], feed)[0]


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    left, right = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(1) / norms
