"""Inputs with an image: the tokens of the image stand between the prompt and the text."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request, Rows
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.contract.image_tokens import ImageTokens
from triton_embed.contract.options import InputType, Modality, Options, Truncate
from triton_embed.contract.spec import ModelSpec

CLS, SEP = 101, 102
PLACEHOLDER, BEFORE, AFTER = 5, 6, 7
SPEC = ModelSpec(
    model_id="m",
    max_tokens=16,
    vocab_size=30522,
    dimension=4,
    prompt_query="query: ",
    prompt_passage="passage: ",
    modalities=tuple(Modality),
    image=ImageSpec(64, Resize.TILES, max_tiles=2, tokens_per_tile=10),
    image_tokens=ImageTokens(PLACEHOLDER, (BEFORE,), (), (AFTER,), " ", 8),
)
PASSAGE = Options(InputType.PASSAGE)


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file: str) -> BatchTokenizer:
    return BatchTokenizer(Tokenizer.from_file(tokenizer_file), SPEC)


def encode(
    tokenizer: BatchTokenizer, text: bytes, grid: tuple[int, int], options: Options = PASSAGE
) -> Rows | InvalidRequest:
    (rows,) = tokenizer.encode([Request([text], options, grids=[grid])])
    return rows


def words(tokenizer_file: str, text: str) -> list[int]:
    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_padding()
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@pytest.mark.parametrize("text", ["", "a cat"])
def test_image_stands_between_prompt_and_text(
    tokenizer: BatchTokenizer, tokenizer_file: str, text: str
) -> None:
    expected = [CLS, *words(tokenizer_file, "passage: "), BEFORE, *[PLACEHOLDER] * 6, AFTER]
    expected += [*words(tokenizer_file, text), SEP]
    assert encode(tokenizer, text.encode(), (2, 3)) == [expected]


@pytest.mark.parametrize(
    ("truncate", "kept"), [(Truncate.END, "b c d e"), (Truncate.START, "d e f g")]
)
def test_truncation_removes_text_only(
    tokenizer: BatchTokenizer, tokenizer_file: str, truncate: Truncate, kept: str
) -> None:
    options = Options(InputType.PASSAGE, truncate)
    rows = encode(tokenizer, b"b c d e f g", (2, 3), options)
    assert isinstance(rows, list)
    assert rows[0][-5:] == [*words(tokenizer_file, kept), SEP]
    assert rows[0].count(PLACEHOLDER) == 6
    assert len(rows[0]) == SPEC.max_tokens


@pytest.mark.parametrize(
    ("grid", "truncate", "length"),
    [((2, 3), Truncate.NONE, 18), ((2, 7), Truncate.END, 20), ((2, 7), Truncate.START, 20)],
)
def test_image_is_never_truncated(
    tokenizer: BatchTokenizer, grid: tuple[int, int], truncate: Truncate, length: int
) -> None:
    error = encode(tokenizer, b"b c d e f g", grid, Options(InputType.PASSAGE, truncate))
    assert isinstance(error, InvalidRequest)
    assert f"Input length {length} exceeds maximum allowed token size 16" in str(error)


@pytest.mark.parametrize(
    "grid", [(0, 0), (0, 3), (-1, -1), (3, 7), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1)]
)
def test_grid_of_no_image_is_rejected_with_its_index(
    tokenizer: BatchTokenizer, grid: tuple[int, int]
) -> None:
    request = Request([b"", b"a cat"], PASSAGE, grids=[(2, 3), grid])
    mate = Request([b""], PASSAGE, grids=[(1, 1)])
    error, rows = tokenizer.encode([request, mate])
    assert isinstance(error, InvalidRequest)
    assert f"'image_grid' is {grid[0]}x{grid[1]}" in str(error)
    assert error.index == 1
    assert isinstance(rows, list)


def test_image_without_a_grid_is_rejected(tokenizer: BatchTokenizer) -> None:
    image = b"data:image/png;base64,AAAA"
    requests = [
        Request([image], PASSAGE),
        Request([b"a cat"], PASSAGE, modalities=[b"text_image"]),
        Request([image], Options(InputType.PASSAGE, modality=Modality.TEXT)),
    ]
    *errors, rows = tokenizer.encode(requests)
    for error in errors:
        assert isinstance(error, InvalidRequest)
        assert "send images to 'm'" in str(error)
    assert isinstance(rows, list)


def test_image_is_not_a_query(tokenizer: BatchTokenizer) -> None:
    error = encode(tokenizer, b"", (1, 1), Options(InputType.QUERY))
    assert isinstance(error, InvalidRequest)
    assert "as passages only" in str(error)


def test_token_array_with_the_token_of_an_image_is_rejected(tokenizer: BatchTokenizer) -> None:
    ids = np.array([CLS, PLACEHOLDER, SEP], "<i4").tobytes()
    options = Options(InputType.PASSAGE, token_ids=True)
    (error,) = tokenizer.encode([Request([ids], options)])
    assert isinstance(error, InvalidRequest)
    assert "token id 5 stands for an image" in str(error)


def test_texts_have_no_image(tokenizer: BatchTokenizer, tokenizer_file: str) -> None:
    (rows,) = tokenizer.encode([Request([b"a cat"], PASSAGE)])
    assert rows == [[CLS, *words(tokenizer_file, "passage: a cat"), SEP]]
