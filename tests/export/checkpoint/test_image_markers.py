from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from testing.nemotron_vl_checkpoint import nemotron_vl_checkpoint
from testing.tokenizers import write_tokenizer
from triton_embed.export.checkpoint.image_markers import (
    check_placeholder,
    separate_image_tokens,
)
from triton_embed.export.errors import ExportError
from triton_embed.export.families.llama_nemotron_vl import FAMILY

assert FAMILY.vision
assert FAMILY.vision.markers
MARKERS = FAMILY.vision.markers


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = nemotron_vl_checkpoint(tmp_path_factory.mktemp("checkpoint") / "nemotron")
    return (folder / "tokenizer.json").read_text()


def test_markers_become_text_and_other_tokens_keep_their_ids(content: str) -> None:
    whole = Tokenizer.from_str(content)
    changed, tokens = separate_image_tokens(content, MARKERS, 32)
    served = Tokenizer.from_str(changed)
    assert tokens.placeholder == whole.token_to_id("<IMG_CONTEXT>")
    assert tokens.before == (whole.token_to_id("<img>"),)
    assert tokens.after == (whole.token_to_id("</img>"),)
    text = "a <img><IMG_CONTEXT></img> b <|im_end|><mask>"
    ids = served.encode(text).ids
    assert not {tokens.placeholder, *tokens.before, *tokens.after} & set(ids)
    assert ids[-2:] == [whole.token_to_id("<|im_end|>"), whole.token_to_id("<mask>")]
    for sentence in ("a cat", "<|im_end|>", "Two dogs. <mask>"):
        assert served.encode(sentence).ids == whole.encode(sentence).ids


def test_tokenizer_without_markers_is_rejected(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "bytes", "<first> $A")
    content = (tmp_path / "tokenizer.json").read_text()
    with pytest.raises(ExportError, match="no added token '<IMG_CONTEXT>'"):
        separate_image_tokens(content, MARKERS, 32)


def test_tokenizer_without_a_dictionary_is_rejected(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, "unigram", "<first> $A")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.add_special_tokens(["<img>", "</img>", "<IMG_CONTEXT>"])
    assert isinstance(json.loads(tokenizer.to_str())["model"]["vocab"], list)
    with pytest.raises(ExportError, match="type Unigram is not supported"):
        separate_image_tokens(tokenizer.to_str(), MARKERS, 32)


def test_other_token_of_an_image_in_the_configuration_is_rejected(content: str) -> None:
    _, tokens = separate_image_tokens(content, MARKERS, 32)
    check_placeholder({"img_context_token_id": tokens.placeholder}, tokens)
    with pytest.raises(ExportError, match=r"img_context_token_id is 5, but must be 602, as in"):
        check_placeholder({"img_context_token_id": 5}, tokens)
