from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from triton_embed.corpus.columns import choose
from triton_embed.corpus.errors import UsageProblem
from triton_embed.corpus.job import ColumnOptions

SCHEMA = pa.schema([("id", pa.int64()), ("body", pa.large_string()), ("n", pa.int32())])
TWO = pa.schema([("a", pa.string()), ("b", pa.dictionary(pa.int8(), pa.string()))])


def chosen(schema: pa.Schema, **options: Any) -> Any:
    return choose(schema, ColumnOptions(**options), "file")


def test_only_column_of_strings_has_the_texts() -> None:
    columns = chosen(SCHEMA, keep=("n",))
    assert (columns.text, columns.id, columns.keep) == ("body", "id", ("n",))
    assert columns.read == ["body", "id", "n"]


def test_column_of_texts_takes_precedence() -> None:
    schema = pa.schema([("text", pa.string()), ("title", pa.string())])
    columns = chosen(schema, keep=("all",))
    assert (columns.text, columns.id, columns.keep) == ("text", None, ("text", "title"))


def test_images_need_no_texts() -> None:
    columns = chosen(pa.schema([("image", pa.binary())]), image="image")
    assert (columns.text, columns.read) == (None, ["image"])


@pytest.mark.parametrize(
    ("schema", "options", "message"),
    [
        (TWO, {}, r"--text-column; its columns are a \(string\), b \(dictionary"),
        (SCHEMA, {"text": "c"}, "'file' has no column 'c'; its columns are id"),
        (SCHEMA, {"text": "n"}, "column 'n' of 'file' has the type int32, not strings"),
        (SCHEMA, {"keep": ("x",)}, "no column 'x'"),
        (SCHEMA, {"id": "n", "keep": ("id",)}, "'id' .* cannot be kept"),
        (SCHEMA, {"embedding": "id"}, "already; set another --embedding-column"),
        (SCHEMA, {"keep": ("n",), "embedding": "n"}, "'n' .* cannot be kept"),
    ],
)
def test_unusable_columns_are_an_error(
    schema: pa.Schema, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageProblem, match=message):
        chosen(schema, **options)
