"""The summary of a run, printed as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from triton_embed.corpus.output import Record


@dataclass(frozen=True)
class Summary:
    """Counts over all parts of a run's shard, those of earlier runs included.

    Attributes:
        output: The output folder.
        parts: Parts.
        parts_skipped: Parts that an earlier run had finished.
        rows: Rows of the input.
        embedded: Rows with a vector.
        rejected: Rows without a vector.
        tokens: Tokens that the server processed.
        seconds: Duration of this run.
        texts_per_second: Embedded rows of this run per second.
        tokens_per_second: Tokens of this run per second.
    """

    output: str
    parts: int
    parts_skipped: int
    rows: int
    embedded: int
    rejected: int
    tokens: int
    seconds: float
    texts_per_second: float
    tokens_per_second: float

    @classmethod
    def of(
        cls, written: Sequence[Record], skipped: Sequence[Record], seconds: float, output: Path
    ) -> Summary:
        """Return the summary of the parts that this run has written and skipped."""
        records = [*written, *skipped]
        rows = sum(each.rows for each in records)
        rejected = sum(each.rejected for each in records)
        texts = sum(each.rows - each.rejected for each in written)
        return cls(
            output=str(output),
            parts=len(records),
            parts_skipped=len(skipped),
            rows=rows,
            embedded=rows - rejected,
            rejected=rejected,
            tokens=sum(each.tokens for each in records),
            seconds=round(seconds, 3),
            texts_per_second=round(texts / max(seconds, 1e-9), 1),
            tokens_per_second=round(sum(each.tokens for each in written) / max(seconds, 1e-9), 1),
        )

    def json(self) -> str:
        """Return the summary as one line of JSON."""
        return json.dumps(asdict(self))
