"""Models that do not pool the tokens of the prompt, like INSTRUCTOR, equal the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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

PROMPTS = {"query": "find the text: ", "document": "this is a text: "}
TEXTS = ("a", "the quick brown fox", "the encoder should cost time " * 20)


def test_prompt_is_not_pooled_as_in_the_reference(tmp_path: Path, minilm_folder: Path) -> None:
    pooling = ("cls", "max", "mean", "weightedmean", "lasttoken")
    folder = tiny_checkpoint(tmp_path / "m", minilm_folder, pooling=pooling, prompts=PROMPTS)
    edit_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    repository = tmp_path / "r"
    assert main(["export", str(folder), "--model-repository", str(repository)]) == 0

    spec = spec_from_parameters(config.parameters(config.read(repository / "m")))
    file = layout.step_file(repository, "m", pipelines.TOKENIZER)
    tokenizer = BatchTokenizer(Tokenizer.from_file(str(file)), spec)
    session = open_encoder(repository, "m")
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    for input_type, name in ((InputType.QUERY, "query"), (InputType.PASSAGE, "document")):
        options = Options(input_type, Truncate.END)
        (rows,) = tokenizer.encode([Request([text.encode() for text in TEXTS], options)])
        assert not isinstance(rows, InvalidRequest)
        vectors = np.concatenate([embed(session, [row]) for row in rows])
        assert np.abs(vectors - model.encode(list(TEXTS), prompt_name=name)).max() < 1e-4
