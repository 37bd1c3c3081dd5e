"""Small checkpoints of every model family, each exported once a run into one repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from testing.checkpoints import edit_json, tiny_checkpoint
from testing.exported import ExportedCheckpoints
from testing.families import CASES
from testing.references import Encoder
from testing.tokenizers import write_tokenizer


class Families(ExportedCheckpoints):
    """The models of `CASES`."""

    def write(self, name: str, folder: Path) -> None:
        """See `ExportedCheckpoints.write`."""
        case = CASES[name]
        tokenizer = folder.parent / "tokenizers" / name
        case.config.vocab_size = write_tokenizer(tokenizer, case.tokenizer, case.template)
        prompts = {"query": case.query, "document": case.passage, "plain": case.plain}
        tiny_checkpoint(
            folder,
            tokenizer,
            config=case.config,
            pooling=(case.pooling,),
            dense=case.dense,
            max_seq_length=case.max_seq_length,
            prompts={kind: prompt for kind, prompt in prompts.items() if prompt},
        )
        if case.plain:
            edit_json(folder / "config_sentence_transformers.json", default_prompt_name="plain")
        case.edit(folder)

    def flags(self, name: str) -> Sequence[str]:
        """See `ExportedCheckpoints.flags`."""
        matryoshka = CASES[name].matryoshka
        return () if matryoshka is None else ("--matryoshka", matryoshka)

    def reference(
        self, name: str, texts: Sequence[str], prompts: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Return the reference's vectors, float32 [texts, dimension], for each of `prompts`."""
        folder, load = self.checkpoint(name), CASES[name].encoder
        if load is None:
            model = SentenceTransformer(
                str(folder), device="cpu", model_kwargs={"dtype": torch.float32}
            )
            model.max_seq_length = CASES[name].max_tokens
            return [model.encode(list(texts), prompt=prompt) for prompt in prompts]
        encoder = load(folder)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(CASES[name].max_tokens)
        return [
            np.stack([_mean(encoder, tokenizer.encode(prompt + text).ids) for text in texts])
            for prompt in prompts
        ]


def _mean(encoder: Encoder, ids: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        mean = encoder(ids)[0].mean(0)
    return np.asarray(torch.nn.functional.normalize(mean, dim=0))
