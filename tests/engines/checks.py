"""Checks of the examples; run by ``python -m tests.engines`` in the engines' environment."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from testing.embedding_api import WIDTH, vectors

URL = os.environ["ENGINES_URL"]
TEXTS = [f"{'word ' * (index % 7)}{index}" for index in range(500)]


@pytest.fixture
def source(tmp_path):
    """A Parquet file with ids and texts, in several row groups."""
    path = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"id": range(500), "text": TEXTS}), path, row_group_size=100)
    return str(path)


def check(folder, *, fixed=True):
    """Assert that the Parquet files of a folder have each row once, with its vector."""
    table = ds.dataset(folder, format="parquet").to_table()
    kind = table.schema.field("embedding").type
    if fixed:
        assert kind == pa.list_(pa.float32(), WIDTH)
    rows = {row["id"]: row for row in table.to_pylist()}
    assert sorted(rows) == list(range(500)) and table.num_rows == 500
    found = np.array([rows[index]["embedding"] for index in range(500)], np.float32)
    np.testing.assert_array_equal(found, vectors(TEXTS))


def test_ray(source, tmp_path):
    import ray
    import ray_data

    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200_000_000)
    try:
        ray_data.embed(source, str(tmp_path / "out"), URL, "m", actors=1)
    finally:
        ray.shutdown()
    check(tmp_path / "out")


@pytest.mark.parametrize("function", ["with_map_in_pandas", "with_predict_batch_udf"])
def test_spark(function, source, tmp_path):
    import spark
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    rows = session.read.parquet(source).repartition(2)
    getattr(spark, function)(rows, URL, "m").write.parquet(str(tmp_path / "out"))
    check(tmp_path / "out", fixed=False)


def test_dask(source, tmp_path):
    import dask.dataframe as dd
    import dask_dataframe

    rows = dd.read_parquet(source).repartition(npartitions=3)
    dask_dataframe.embed(rows, URL, "m", WIDTH).to_parquet(tmp_path / "out", write_index=False)
    check(tmp_path / "out")


def test_daft(source, tmp_path):
    import daft
    import daft_udf

    daft_udf.embed(daft.read_parquet(source), URL, "m", WIDTH).write_parquet(str(tmp_path / "out"))
    check(tmp_path / "out")


def test_faiss(source, tmp_path):
    import faiss_search

    from triton_embed.cli import main

    folder = str(tmp_path / "out")
    assert main(["embed", source, "--output", folder, "--model", "m", "--url", URL]) == 0
    # The vectors are not normalized: the best inner product is found among all of them.
    queries = vectors(TEXTS[:3])
    best = np.argmax(queries @ vectors(TEXTS).T, axis=1)
    found = faiss_search.Index(folder).search(queries, 1)
    assert [row[0] for row in found] == best.tolist()
