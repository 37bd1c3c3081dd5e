from __future__ import annotations

from typing import Any

import pytest

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.naming import triton_model_name
from triton_embed.contract.options import EmbeddingType, InputType, Options, Truncate


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(InputType.QUERY, Truncate.END, 384),
        Options(embedding_type=EmbeddingType.UBINARY, token_ids=True),
        Options(truncate=Truncate.END, tokenize_only=True),
    ],
)
def test_options_are_read_back_from_parameters(options: Options) -> None:
    assert Options.from_parameters(options.to_parameters()) == options


def test_parameters_may_have_any_case_and_dimensions_as_a_string() -> None:
    read = Options.from_parameters(
        {"input_type": "Query", "truncate": "end", "dimensions": "12", "embedding_type": "INT8"}
    )
    assert read == Options(InputType.QUERY, Truncate.END, 12, EmbeddingType.INT8)


def test_empty_and_unknown_parameters_are_ignored() -> None:
    empty = dict.fromkeys(
        ("input_type", "truncate", "dimensions", "embedding_type", "modality"), ""
    )
    assert Options.from_parameters({**empty, "nvcf_asset_dir": "/x"}) == Options()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input_type": "document"}, "'input_type': input should be 'query' or 'passage'"),
        ({"truncate": "MIDDLE"}, "'truncate': input should be 'NONE', 'START' or 'END'"),
        ({"embedding_type": 7}, "'embedding_type': input should be 'float', "),
        ({"dimensions": "many"}, "'dimensions': input should be an integer, not 'many'"),
        ({"dimensions": 2.7}, "'dimensions': input should be an integer, not 2.7"),
        ({"dimensions": True}, "'dimensions': input should be an integer, not True"),
        ({"token_ids": "true"}, "'token_ids': input should be a boolean, not 'true'"),
        ({"truncate": "x" * 9000}, "'truncate': input should be 'NONE', 'START' or 'END', not 'xx"),
        ({"dimensions": "6_4"}, "'dimensions': input should be an integer, not '6_4'"),
    ],
)
def test_invalid_value_is_rejected_by_name(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Options.from_parameters(parameters)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300
    assert caught.value.param == next(iter(parameters))


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("nvidia/nv-embedqa-e5-v5", "nvidia_nv_embedqa_e5_v5"),
        ("nvidia/Nemotron-3.5-Embed-1B-BF16", "nvidia_nemotron_3_5_embed_1b_bf16"),
    ],
)
def test_triton_names_equal_those_of_the_nim(model_id: str, name: str) -> None:
    assert triton_model_name(model_id) == name
