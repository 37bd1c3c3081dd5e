from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from triton_embed.corpus.inputs import InputFile, file_format
from triton_embed.corpus.sources import open_source
from triton_embed.corpus.sources.source import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    Rows,
    Source,
    UnreadableFile,
)

COUNT = 2 * BLOCK_ROWS + 100
TABLE = pa.table(
    {
        "id": list(range(COUNT)),
        "text": [f'line {n}, "quoted"' for n in range(COUNT)],
        "score": [n / 2 for n in range(COUNT)],
    }
)
JSON_LINES = "".join(f"{json.dumps(row)}\n" for row in TABLE.to_pylist()).encode()


def write_parquet(path: Path) -> None:
    pq.write_table(TABLE, path, row_group_size=3000)


def write_arrow(path: Path) -> None:
    with pa.ipc.new_file(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=5000)


def write_arrow_stream(path: Path) -> None:
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=5000)


def write_zstd_stream(path: Path) -> None:
    stream = pa.CompressedOutputStream(str(path), "zstd")
    with stream, pa.ipc.new_stream(stream, TABLE.schema) as writer:
        writer.write_table(TABLE)


def write_tsv(path: Path) -> None:
    csv.write_csv(TABLE, path, csv.WriteOptions(delimiter="\t"))


def write_zstd(path: Path) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(JSON_LINES)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.parquet": write_parquet,
    "a.arrow": write_arrow,
    "a.arrows": write_arrow_stream,
    "a.arrows.zst": write_zstd_stream,
    "a.csv": lambda path: csv.write_csv(TABLE, path),
    "a.tsv": write_tsv,
    "a.jsonl": lambda path: path.write_bytes(JSON_LINES),
    "a.jsonl.gz": lambda path: path.write_bytes(gzip.compress(JSON_LINES)),
    "a.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(JSON_LINES)),
    "a.ndjson.zst": write_zstd,
}


def opened(path: Path) -> Source:
    kind = file_format(path.name)
    assert kind is not None
    return open_source(InputFile(str(path), kind, path.stat().st_size))


def read(source: Source, *columns: str) -> list[Rows]:
    return list(source.rows(columns, lambda start, stop: True))


def ids(name: str) -> pa.ChunkedArray:
    """The ids in a file that one of `WRITERS` has written: CSV has strings only."""
    return TABLE["id"].cast(pa.string()) if name.endswith(("csv", "tsv")) else TABLE["id"]


@pytest.mark.parametrize("name", WRITERS)
def test_rows_are_read_in_blocks_with_their_numbers(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    source = opened(tmp_path / name)
    assert {"id", "text", "score"} == set(source.schema.names)
    blocks = read(source, "text", "id")
    assert max(block.table.num_rows for block in blocks) <= BLOCK_ROWS
    start = 0
    for block in blocks:
        assert block.start == start and not block.problems
        start += block.table.num_rows
    found = pa.concat_tables(block.table for block in blocks)
    assert found["text"].to_pylist() == TABLE["text"].to_pylist()
    assert found["id"].to_pylist() == ids(name).to_pylist()
    assert source.fraction == 1.0


@pytest.mark.parametrize("name", WRITERS)
def test_rows_that_are_not_wanted_may_be_left_out(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    blocks = list(opened(tmp_path / name).rows(["id"], lambda start, stop: stop > 6000))
    assert blocks and all(block.start + block.table.num_rows > 6000 for block in blocks)
    for block in blocks:
        assert block.table["id"][0] == ids(name)[block.start]
    assert blocks[-1].start + blocks[-1].table.num_rows == COUNT


def test_each_line_of_a_text_file_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\n\ntwo\n".encode() + b"\xff\nlast")
    (rows,) = read(opened(path), "text")
    assert rows.table["text"].to_pylist() == ["one", "two", "", "last"]
    assert list(rows.problems) == [2] and "not UTF-8" in rows.problems[2]


def test_malformed_lines_are_problems_of_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": \n[1]\n\n{"text": null}\n')
    (rows,) = read(opened(path), "text")
    assert rows.table["text"].to_pylist() == ["a", None, None, None]
    assert list(rows.problems) == [1, 2]
    assert "not JSON" in rows.problems[1] and "not a JSON object" in rows.problems[2]


def test_half_a_surrogate_pair_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "\\ud83d\\ude00"}\n{"text": "\\ud83d"}\n{"text": "b"}\n')
    (rows,) = read(opened(path), "text")
    assert rows.table["text"].to_pylist() == ["\U0001f600", None, "b"]
    assert list(rows.problems) == [1] and "not Unicode" in rows.problems[1]


def test_integer_over_64_bits_makes_its_column_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a", "n": 2**70}))
    assert opened(path).schema.names == ["text"]


def test_large_rows_of_a_parquet_file_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    text = [str(n) * (BLOCK_BYTES // 8) for n in range(10)]
    table = pa.table({"text": text, "n": list(range(10))})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    blocks = read(opened(tmp_path / "a.parquet"), "text", "n")
    assert max(block.table.nbytes for block in blocks) <= BLOCK_BYTES
    assert pa.concat_tables(block.table for block in blocks).to_pydict() == table.to_pydict()
    assert len(read(opened(tmp_path / "a.parquet"), "n")) == 1


def test_column_that_changes_its_type_is_an_error_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 1}\n' * BLOCK_ROWS + '{"text": "a", "n": "x"}\n')
    with pytest.raises(UnreadableFile, match=r"a.jsonl', rows 4096 to 4096: a value of 'n' is not"):
        read(opened(path), "text", "n")


def test_column_with_values_of_different_types_is_not_available(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 1, "empty": null}\n{"text": "b", "n": "x"}\n')
    assert opened(path).schema == pa.schema([("text", pa.string()), ("empty", pa.string())])


def test_quoted_values_of_a_csv_file_may_have_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,n\n"two\nlines",1\nplain,\n')
    (rows,) = read(opened(path), "text", "n")
    assert rows.table.to_pydict() == {"text": ["two\nlines", "plain"], "n": ["1", None]}


def test_values_of_a_csv_file_are_copied_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    values = ["007", "2024-01-31", "1e5", "12345678901234567890", "true", "NaN", "NULL"]
    path.write_text("id,text\n" + "".join(f"{each},{each}\n" for each in values) + '"",\n')
    source = opened(path)
    assert set(source.schema.types) == {pa.string()}
    (rows,) = read(source, "text", "id")
    assert rows.table.to_pydict() == {"text": [*values, None], "id": [*values, ""]}


def test_text_of_a_csv_file_may_have_megabytes(tmp_path: Path) -> None:
    texts = ["a", "b" * (BLOCK_BYTES // 2), "c"]
    csv.write_csv(pa.table({"text": texts}), tmp_path / "a.csv")
    blocks = read(opened(tmp_path / "a.csv"), "text")
    assert pa.concat_tables(block.table for block in blocks)["text"].to_pylist() == texts


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.jsonl.gz", "a.csv"])
def test_damaged_file_is_an_error_with_its_name(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    half = content[: len(content) // 2]
    if name == "a.csv":
        half += b"one,two,three,four,five\n"
    (tmp_path / name).write_bytes(half)
    with pytest.raises(UnreadableFile, match=name):
        read(opened(tmp_path / name), "text")


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_empty_file_has_no_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    source = opened(tmp_path / name)
    assert read(source, *source.schema.names) == []
