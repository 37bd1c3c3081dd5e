from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from triton_embed.corpus.sinks import FORMATS
from triton_embed.corpus.sinks.parquet import GROUP_BYTES, METADATA_KEY
from triton_embed.corpus.sinks.sink import VectorColumn

TABLE = pa.table({"id": [1, 2, 3], "day": [datetime.date(2026, 1, day) for day in (1, 2, 3)]})
VECTORS = np.array([[0.1, 2.0], [3.0, 4.0], [5.0, -6.5]], np.float32)
VALID = np.array([True, False, True])


def written(name: str, folder: Path, vectors: NDArray[Any], valid: NDArray[np.bool_]) -> Path:
    """Write `TABLE` twice."""
    path = folder / "part"
    sink = FORMATS[name].open(path, VectorColumn("vector", not valid.all(), {"model": "m"}))
    for _ in range(2):
        sink.write(TABLE, vectors, valid)
    sink.close()
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8])
def test_parquet_has_plain_lists_of_fixed_size(dtype: Any, tmp_path: Path) -> None:
    vectors = np.abs(VECTORS).astype(dtype)
    path = written("parquet", tmp_path, vectors, np.ones(3, np.bool_))
    table = pq.read_table(path)
    assert table.schema.names == ["id", "day", "vector"]
    assert table.schema.field("vector").type == pa.list_(pa.from_numpy_dtype(dtype), 2)
    assert json.loads(table.schema.metadata[METADATA_KEY.encode()]) == {"model": "m"}
    assert table["vector"].to_pylist() == 2 * vectors.tolist()
    (group,) = [pq.ParquetFile(path).metadata.row_group(0).column(2)]
    assert group.compression == "ZSTD" and not group.has_dictionary_page
    assert ("BYTE_STREAM_SPLIT" in group.encodings) == (dtype == np.float32)


def test_parquet_with_null_has_lists(tmp_path: Path) -> None:
    table = pq.read_table(written("parquet", tmp_path, VECTORS, VALID))
    assert table.schema.field("vector").type == pa.list_(pa.float32())
    assert table["vector"].to_pylist() == 2 * [VECTORS[0].tolist(), None, VECTORS[2].tolist()]


def test_parquet_has_row_groups_of_bounded_size(tmp_path: Path) -> None:
    sink = FORMATS["parquet"].open(tmp_path / "part", VectorColumn("vector"))
    count = 3 * GROUP_BYTES // 4096 // 2
    for _ in range(2):
        rows = np.zeros((count, 1024), np.float32)
        sink.write(pa.table({"id": pa.nulls(count, pa.int64())}), rows, np.ones(count, np.bool_))
    sink.close()
    assert pq.ParquetFile(tmp_path / "part").metadata.num_row_groups == 2


def test_row_groups_are_bounded_by_kept_columns(tmp_path: Path) -> None:
    sink = FORMATS["parquet"].open(tmp_path / "part", VectorColumn("vector"))
    table = pa.table({"id": [1], "text": ["a" * (GROUP_BYTES // 2)]})
    for _ in range(4):
        sink.write(table, VECTORS[:1], VALID[:1])
    sink.close()
    assert pq.ParquetFile(tmp_path / "part").metadata.num_row_groups == 2


def test_parquet_without_rows_has_the_schema(tmp_path: Path) -> None:
    sink = FORMATS["parquet"].open(tmp_path / "part", VectorColumn("vector"))
    sink.write(TABLE.slice(0, 0), VECTORS[:0], VALID[:0])
    sink.close()
    table = pq.read_table(tmp_path / "part")
    assert table.num_rows == 0 and table.schema.field("vector").type == pa.list_(pa.float32(), 2)


def test_json_lines_have_short_numbers_and_null(tmp_path: Path) -> None:
    lines = written("jsonl", tmp_path, VECTORS, VALID).read_text().splitlines()
    assert len(lines) == 6
    assert lines[0] == '{"id": 1, "day": "2026-01-01", "vector": [0.1, 2.0]}'
    assert json.loads(lines[1])["vector"] is None


def test_npy_is_read_by_numpy(tmp_path: Path) -> None:
    path = written("npy", tmp_path, VECTORS, np.ones(3, np.bool_))
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), np.concatenate([VECTORS, VECTORS]))


def test_openai_batch_has_responses_and_errors(tmp_path: Path) -> None:
    lines = written("openai-batch", tmp_path, VECTORS.astype(np.int8), VALID).read_text()
    good, bad = map(json.loads, lines.splitlines()[:2])
    assert (good["custom_id"], good["error"]) == ("1", None)
    assert good["response"]["body"] == {
        **{"object": "list", "model": "m"},
        "data": [{"object": "embedding", "index": 0, "embedding": [0, 2]}],
    }
    assert (bad["response"], bad["error"]["code"]) == (None, "rejected")
