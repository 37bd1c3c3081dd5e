"""Output formats: each part is one file, written row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triton_embed.corpus.sinks.jsonl import JsonLinesSink
from triton_embed.corpus.sinks.npy import NpySink
from triton_embed.corpus.sinks.openai_batch import OpenAIBatchSink
from triton_embed.corpus.sinks.parquet import ParquetSink
from triton_embed.corpus.sinks.sink import Sink, VectorColumn


@dataclass(frozen=True)
class Format:
    """An output format.

    Attributes:
        suffix: End of the names of its files.
        open: Opens a file.
        has_nulls: Whether a row without a vector can be written.
        has_ids: Whether ids and kept columns are written; otherwise they get a file of their own.
    """

    suffix: str
    open: Callable[[Path, VectorColumn], Sink]
    has_nulls: bool = True
    has_ids: bool = True


FORMATS = {
    "parquet": Format(".parquet", ParquetSink),
    "jsonl": Format(".jsonl", JsonLinesSink),
    "npy": Format(".npy", NpySink, has_nulls=False, has_ids=False),
    "openai-batch": Format(".jsonl", OpenAIBatchSink),
}
"""The output formats by name."""
