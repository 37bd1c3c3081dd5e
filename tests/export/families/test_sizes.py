"""Sizes of a transformer that a plan reads without transformers."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from testing.families import CASES
from testing.family_repository import Families
from triton_embed.export.errors import ExportError
from triton_embed.export.families.checks import check_transformers
from triton_embed.export.families.registry import FAMILIES, family_of

BERT = {
    "model_type": "bert",
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


@pytest.mark.parametrize("name", CASES)
def test_sizes_are_those_that_transformers_reads(families: Families, name: str) -> None:
    config = json.loads((families.checkpoint(name) / "config.json").read_text())
    family = family_of(config)
    sizes, loaded = family.sizes(config), family.load_config(config)
    assert (sizes.vocab_size, sizes.hidden_size) == (loaded.vocab_size, loaded.hidden_size)
    positions = getattr(loaded, "max_position_embeddings", sys.maxsize)
    reserved = family.padding_id(config) + 1 if family.padding_id else 0
    assert family.max_positions(config) == positions - reserved


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0, but must be a whole number of at le"),
        ({"hidden_size": -32}, "hidden_size is -32, but must be a whole number of at least 1"),
        ({"vocab_size": 1e3}, "vocab_size is 1000.0, but must be a whole number"),
        ({"vocab_size": True}, "vocab_size is True, but must be a whole number"),
        ({"max_position_embeddings": float("nan")}, "max_position_embeddings is nan, but must"),
        ({"intermediate_size": 2**40}, "intermediate_size is 1099511627776, but must be"),
        ({"hidden_size": None}, "config.json does not define hidden_size"),
        ({"max_position_embeddings": None}, "does not define max_position_embeddings"),
        ({"num_attention_heads": 3}, "hidden_size is 32, which is not divisible by num_attention"),
        ({"num_key_value_heads": 3}, "num_attention_heads is 4, which is not divisible by num_ke"),
        ({"model_type": "roberta", "max_position_embeddings": 2}, "but 2 positions are reserved"),
        ({"model_type": "roberta", "pad_token_id": -1}, "pad_token_id is -1, but must be"),
        ({"model_type": "distilbert", "dim": 16}, "dim and hidden_size are the same size"),
    ],
)
def test_invalid_size_is_rejected_by_name(changes: dict[str, Any], reason: str) -> None:
    config = {**BERT, **changes}
    with pytest.raises(ExportError, match=r"config\.json") as raised:
        FAMILIES[config["model_type"]].max_positions(config)
    assert reason in str(raised.value)


def test_setting_that_transformers_rejects_is_an_error_of_one_line() -> None:
    with pytest.raises(ExportError, match=r"transformers cannot read config\.json: ") as raised:
        check_transformers({**BERT, "model_type": "mpnet", "relative_attention_num_buckets": "x"})
    assert len(str(raised.value).splitlines()) == 1
