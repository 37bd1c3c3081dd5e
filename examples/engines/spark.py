"""Spark: embed a column with `mapInPandas`, or with `predict_batch_udf`.

    python examples/engines/spark.py texts.parquet vectors --model MODEL

Set PYSPARK_PYTHON to an interpreter that exists on every node and has the client.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, FloatType

from triton_embed.client import Client

BATCH_SIZE = 2048
"""Rows of each call of `predict_batch_udf`."""


def with_map_in_pandas(rows: DataFrame, url: str, model: str) -> DataFrame:
    """Add the column ``embedding``; each task opens one client."""

    def embed(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        with Client(url, model=model, truncate="END") as client:
            for batch in batches:
                yield batch.assign(embedding=list(client.embed(batch["text"].tolist())))

    return rows.mapInPandas(embed, f"{rows._jdf.schema().toDDL()}, embedding array<float>")


def with_predict_batch_udf(rows: DataFrame, url: str, model: str) -> DataFrame:
    """Add the column ``embedding``; each Python worker keeps one client."""

    def make() -> Callable[[np.ndarray], np.ndarray]:
        client = Client(url, model=model, truncate="END")
        return lambda texts: client.embed(texts.tolist())

    embed = predict_batch_udf(make, return_type=ArrayType(FloatType()), batch_size=BATCH_SIZE)
    return rows.withColumn("embedding", embed("text"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    session = SparkSession.builder.getOrCreate()
    source = session.read.parquet(options.source)
    with_map_in_pandas(source, options.url, options.model).write.parquet(options.target)
