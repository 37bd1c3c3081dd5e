"""Dask: embed a column with `map_partitions`.

python examples/engines/dask_dataframe.py texts.parquet vectors --model MODEL
"""

from __future__ import annotations

import argparse

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from triton_embed.client import Client


def embed_partition(rows: pd.DataFrame, client: Client, kind: pd.ArrowDtype) -> pd.DataFrame:
    """Add the column ``embedding`` to one partition."""
    vectors = client.embed(rows["text"].tolist())
    return rows.assign(embedding=pd.Series(list(vectors), index=rows.index, dtype=kind))


def embed(rows: dd.DataFrame, url: str, model: str, width: int) -> dd.DataFrame:
    """Add the column ``embedding``.

    Without `meta`, Dask would embed a made-up text to learn the type of the result.
    """
    kind = pd.ArrowDtype(pa.list_(pa.float32(), width))
    client = Client(url, model=model, truncate="END")
    meta = rows._meta.assign(embedding=pd.Series([], dtype=kind))
    return rows.map_partitions(embed_partition, client, kind, meta=meta)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True)
    parser.add_argument("--width", type=int, required=True, help="length of the vectors")
    options = parser.parse_args()
    source = dd.read_parquet(options.source)
    embed(source, options.url, options.model, options.width).to_parquet(options.target)
