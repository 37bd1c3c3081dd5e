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
from testing.families import CASES, Case
from testing.locks import exclusive
from testing.references import Encoder
from testing.tokenizers import write_tokenizer
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name


class Families:
    """The models of `CASES`, each made and exported when it is first requested.

    Args:
        folder: Folder of all files; several processes may share it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.repository = folder / "repository"
        self._folder = folder

    def checkpoint(self, name: str) -> Path:
        """Return the checkpoint's folder."""
        folder = self._folder / name
        with exclusive(self._folder / f"{name}.lock"):
            if not folder.exists():
                self._write(folder, CASES[name])
        return folder

    def _write(self, folder: Path, case: Case) -> None:
        tokenizer = self._folder / "tokenizers" / folder.name
        case.config.vocab_size = write_tokenizer(tokenizer, case.tokenizer, case.template)
        prompts = {"query": case.query, "document": case.passage, "plain": case.plain}
        tiny_checkpoint(
            folder,
            tokenizer,
            config=case.config,
            pooling=(case.pooling,),
            dense=case.dense,
            max_seq_length=case.max_seq_length,
            prompts={name: prompt for name, prompt in prompts.items() if prompt},
        )
        if case.plain:
            edit_json(folder / "config_sentence_transformers.json", default_prompt_name="plain")
        case.edit(folder)

    def exported(self, name: str) -> Path:
        """Return the model repository, after installing the model `name` in it."""
        arguments = [
            "export",
            str(self.checkpoint(name)),
            "--model-repository",
            str(self.repository),
        ]
        if (matryoshka := CASES[name].matryoshka) is not None:
            arguments += ["--matryoshka", matryoshka]
        with exclusive(self._folder / f"{name}.export.lock"):
            if not (self.repository / triton_model_name(name)).exists():
                assert main(arguments) == 0, name
        return self.repository

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
