"""Daft: embed a column with a batch method of a class.

python examples/engines/daft_udf.py texts.parquet vectors --model MODEL --width 384
"""

from __future__ import annotations

import argparse

import daft
from daft import DataType, Series

from triton_embed.client import Client

BATCH_SIZE = 2048
"""Rows of each call."""


def embed(rows: daft.DataFrame, url: str, model: str, width: int) -> daft.DataFrame:
    """Add the column ``embedding``."""

    @daft.cls
    class Embedder:
        def __init__(self) -> None:
            self._client = Client(url, model=model, truncate="END")

        @daft.method.batch(
            return_dtype=DataType.fixed_size_list(DataType.float32(), width), batch_size=BATCH_SIZE
        )
        def __call__(self, texts: Series) -> list:
            return list(self._client.embed(texts.to_pylist()))

    return rows.with_column("embedding", Embedder()(rows["text"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True)
    parser.add_argument("--width", type=int, required=True, help="length of the vectors")
    options = parser.parse_args()
    source = daft.read_parquet(options.source)
    embed(source, options.url, options.model, options.width).write_parquet(options.target)
