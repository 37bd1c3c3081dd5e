"""Limits of queries and passages in a checkpoint's files, as sentence-transformers applies them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from testing.checkpoints import edit_json, tiny_checkpoint
from testing.onnx_encoder import embed, open_encoder
from triton_embed.backends.tokenizer.batch_tokenizer import BatchTokenizer, Request
from triton_embed.cli import main
from triton_embed.contract import pipelines
from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import InputType, Options, Truncate
from triton_embed.contract.serialization import spec_from_parameters
from triton_embed.repository import config, layout

TEXT = "the quick brown fox jumps over the lazy dog " * 9


def test_query_and_document_length_equal_the_reference(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, prompts={"query": "find: "})
    edit_json(folder / "sentence_bert_config.json", query_length=12, document_length="20")
    repository = tmp_path / "r"
    command = ["export", str(folder), "--model-repository", str(repository)]
    assert main(command) == 0

    spec = spec_from_parameters(config.parameters(config.read(repository / "m")))
    assert (spec.max_tokens_query, spec.max_tokens_passage, spec.max_tokens) == (12, 20, 64)
    file = layout.step_file(repository, "m", pipelines.TOKENIZER)
    tokenizer = BatchTokenizer(Tokenizer.from_file(str(file)), spec)
    edit_json(folder / "sentence_bert_config.json", document_length=20)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    references = {
        InputType.QUERY: model.encode_query([TEXT]),
        InputType.PASSAGE: model.encode_document([TEXT]),
    }
    for input_type, expected in references.items():
        options = Options(input_type, Truncate.END)
        (rows,) = tokenizer.encode([Request([TEXT.encode()], options)])
        assert not isinstance(rows, InvalidRequest)
        assert len(rows[0]) == spec.token_limit(input_type)
        assert np.abs(embed(open_encoder(repository, "m"), rows) - expected).max() < 1e-4


def test_limit_above_that_of_any_text_has_no_effect(
    tmp_path: Path, minilm_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder)
    command = ["export", str(folder), "--model-repository", str(tmp_path / "r"), "--dry-run"]
    for length, is_shown in ((30, True), (100, False)):
        edit_json(folder / "sentence_bert_config.json", query_length=length)
        assert main(command) == 0
        assert ("max tokens of a query" in capsys.readouterr().out) == is_shown
