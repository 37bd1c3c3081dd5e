"""The reference of the parity gate: the checkpoint's tokens and sentence-transformers' vectors."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer
from torch import nn

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.families.family import Family
from triton_embed.export.families.registry import family_of
from triton_embed.export.parity.substitution import with_tokenizer
from triton_embed.export.progress import ProgressCallback, no_progress


@dataclass(frozen=True)
class Reference:
    """The expected results.

    Attributes:
        token_ids: The tokens of each text, by prompt.
        vectors: float32 [texts, dimension], by prompt.
        images: float32 [images, dimension]; ``None``: the model takes no images.
    """

    token_ids: Mapping[str, list[list[int]]]
    vectors: Mapping[str, NDArray[np.float32]]
    images: NDArray[np.float32] | None = None

    def typical_rows(self) -> list[list[int]]:
        """Return the tokens of texts that are no longer than `MAX_TYPICAL_TOKENS`."""
        rows = itertools.chain.from_iterable(self.token_ids.values())
        return [row for row in rows if len(row) <= MAX_TYPICAL_TOKENS]


MAX_TYPICAL_TOKENS = 256
"""Maximum tokens of a typical text. Longer ones add only their cost to a calibration."""

BATCH_SIZE = 8
"""Texts that the reference embeds at a time. sentence-transformers pads each batch to its longest
text and holds whole score matrices: 8 bounds the memory for texts of thousands of tokens."""


def compute(
    checkpoint: Checkpoint,
    tokenizer: str,
    prompts: Sequence[str],
    texts: Sequence[str],
    max_tokens: int,
    on_progress: ProgressCallback = no_progress,
) -> Reference:
    """Embed texts with sentence-transformers, fed with `tokenizer`'s tokens, for each prompt.

    The model is freed before the function returns.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        tokenizer: Its tokenizer in the format of tokenizer.json, see `checkpoint.tokenizer`.
        prompts: Prompts, each of which is put before every text.
        texts: Texts; longer ones than `max_tokens` are truncated.
        max_tokens: Maximum tokens, prompt and special tokens included.
        on_progress: Called after each layer of each batch.

    Raises:
        ExportError: sentence-transformers cannot load the checkpoint or embed with it.
    """
    family = family_of(checkpoint.config)
    family.register()
    try:
        with with_tokenizer(checkpoint, tokenizer) as copy:
            model = _load(copy, family)
    except Exception as error:
        raise ExportError(
            f"sentence-transformers cannot load the checkpoint: {one_line(error)}"
        ) from error
    _prepare(model.tokenizer)
    model.max_seq_length = max_tokens
    token_ids = {prompt: _tokenize(tokenizer, texts, prompt, max_tokens) for prompt in prompts}
    _check_tokens(model.tokenizer, texts, token_ids, max_tokens)
    _count_layers(model, len(prompts) * math.ceil(len(texts) / BATCH_SIZE), on_progress)
    vectors = {prompt: _encode(model, texts, prompt) for prompt in prompts}
    del model
    gc.collect()
    return Reference(token_ids, vectors)


def _tokenize(content: str, texts: Sequence[str], prompt: str, max_tokens: int) -> list[list[int]]:
    tokenizer = Tokenizer.from_str(content)
    tokenizer.enable_truncation(max_tokens)
    return [item.ids for item in tokenizer.encode_batch([prompt + text for text in texts])]


def _check_tokens(
    tokenizer: Any,
    texts: Sequence[str],
    token_ids: Mapping[str, list[list[int]]],
    max_tokens: int,
) -> None:
    """Raise ExportError if sentence-transformers' `tokenizer` gives texts other tokens."""
    for prompt, expected in token_ids.items():
        inputs = [prompt + text for text in texts]
        received = tokenizer(inputs, truncation=True, max_length=max_tokens)["input_ids"]
        if received != expected:
            raise ExportError(
                "the installed transformers gives texts other tokens than tokenizer.json does, "
                "so that there is no reference"
            )


def _prepare(tokenizer: Any) -> None:
    """Adapt `tokenizer` to the exported model, which needs no padding and truncates at the end."""
    # Padding is masked, so any token serves.
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    # The exported model truncates on the side that each request selects; by default at the end.
    tokenizer.truncation_side = "right"


def _encode(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
    try:
        return model.encode(
            list(texts), prompt=prompt, batch_size=BATCH_SIZE, show_progress_bar=False
        )
    except Exception as error:
        raise ExportError(_reason(error, model)) from error


def _reason(error: Exception, model: SentenceTransformer) -> str:
    """Return the reason why `model` cannot embed, more specific than `error` if possible."""
    transformer: Any = model[0]
    size = transformer.model.config.vocab_size
    token, max_id = max(transformer.tokenizer.get_vocab().items(), key=lambda item: item[1])
    if isinstance(error, IndexError) and max_id >= size:
        return f"the tokenizer has the id {max_id} for '{token}'; the model's end at {size - 1}"
    return f"sentence-transformers cannot embed with the checkpoint: {one_line(error)}"


def _count_layers(model: nn.Module, batches: int, on_progress: ProgressCallback) -> None:
    """Call `on_progress` after each layer of `model`, which are its longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = max(lists, key=len, default=nn.ModuleList())
    done = itertools.count(1)
    total = batches * len(layers)
    for layer in layers:
        layer.register_forward_hook(lambda *_: on_progress(next(done), total, "layers"))


def _load(checkpoint: Checkpoint, family: Family) -> SentenceTransformer:
    model = SentenceTransformer(
        str(checkpoint.folder),
        device="cpu",
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        config_kwargs=family.translated_settings(checkpoint.config),
    )
    if checkpoint.has_modules:
        return model
    transformer: Any = model[0]
    # With a chat template, texts would be embedded as messages.
    transformer.modality_config = {"text": transformer.modality_config["text"]}
    transformer.input_formatter.supported_modalities = ["text"]
    pooling = Pooling(transformer.get_embedding_dimension(), checkpoint.pooling_modes)
    # A family's defaults add no other module.
    normalize = [Normalize() for _ in checkpoint.head]
    return SentenceTransformer(modules=[transformer, pooling, *normalize], device="cpu")
