"""Input formats: each is read in blocks, never as a whole."""

from __future__ import annotations

from triton_embed.corpus.inputs import InputFile
from triton_embed.corpus.sources.arrow import ArrowSource
from triton_embed.corpus.sources.csv import CsvSource
from triton_embed.corpus.sources.jsonl import JsonLinesSource
from triton_embed.corpus.sources.parquet import ParquetSource
from triton_embed.corpus.sources.source import Source, UnreadableFile
from triton_embed.corpus.sources.text import TextSource


def open_source(file: InputFile) -> Source:
    """Open a file.

    Raises:
        UnreadableFile: it is damaged, or not of its format.
    """
    try:
        if file.format == "parquet":
            return ParquetSource(file.name)
        if file.format == "arrow":
            return ArrowSource(file.name)
        if file.format == "jsonl":
            return JsonLinesSource(file.name)
        if file.format == "text":
            return TextSource(file.name)
        return CsvSource(file.name, "\t" if file.format == "tsv" else ",")
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"'{file.name}' cannot be read: {error}") from error
