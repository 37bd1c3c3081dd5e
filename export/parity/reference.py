"""What sentence-transformers makes of a checkpoint: the tokenizer and vectors we must equal."""

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
from torch import nn

from triton_embed.export.checkpoint.reader import Checkpoint
from triton_embed.export.errors import ExportError
from triton_embed.export.families.registry import FAMILIES, Family
from triton_embed.export.progress import Advance, silent


@dataclass(frozen=True)
class Reference:
    """The reference's answers.

    Attributes:
        tokenizer: The tokenizer in the format of ``tokenizer.json``.
        vectors: For each prompt float32 [texts, dimension].
    """

    tokenizer: str
    vectors: Mapping[str, NDArray[np.float32]]


BATCH_SIZE = 8


def compute(
    checkpoint: Checkpoint,
    prompts: Sequence[str],
    texts: Sequence[str],
    max_tokens: int,
    advance: Advance = silent,
) -> Reference:
    """Embed `texts` with the reference, once for each of `prompts`.

    The reference model is freed before this returns.

    Args:
        checkpoint: What to load.
        prompts: Put before each text.
        texts: Longer ones are cut.
        max_tokens: Where to cut, prompt and special tokens included.
        advance: Told how many layers are done.

    Raises:
        ExportError: sentence-transformers cannot load the checkpoint, or not embed with it.
    """
    family = FAMILIES[checkpoint.config["model_type"]]
    try:
        model = _load(checkpoint, family)
    except Exception as error:
        raise ExportError(f"sentence-transformers cannot load the checkpoint: {error}") from error
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ExportError("the checkpoint has no fast tokenizer (tokenizer.json)")
    _prepare(model.tokenizer)
    model.max_seq_length = max_tokens
    _count_layers(model, len(prompts) * math.ceil(len(texts) / BATCH_SIZE), advance)
    vectors = {prompt: _encode(model, texts, prompt) for prompt in prompts}
    reference = Reference(tokenizer.to_str(), vectors)
    del model
    gc.collect()
    return reference


def _prepare(tokenizer: Any) -> None:
    """Give `tokenizer` what the exported model does without, or decides differently."""
    # Padding is masked, so any token will do.
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    # Clients say with each request which side to cut; the other side is the exception.
    tokenizer.truncation_side = "right"


def _encode(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
    try:
        return model.encode(
            list(texts), prompt=prompt, batch_size=BATCH_SIZE, show_progress_bar=False
        )
    except Exception as error:
        raise ExportError(_reason(error, model)) from error


def _reason(error: Exception, model: SentenceTransformer) -> str:
    """Say why `model` cannot embed, if it can be known better than from `error`."""
    transformer: Any = model[0]
    size = transformer.model.config.vocab_size
    token, largest = max(transformer.tokenizer.get_vocab().items(), key=lambda item: item[1])
    if isinstance(error, IndexError) and largest >= size:
        return f"the tokenizer has the id {largest} for '{token}'; the model's end at {size - 1}"
    return f"sentence-transformers cannot embed with the checkpoint: {error}"


def _count_layers(model: nn.Module, batches: int, advance: Advance) -> None:
    """Have the layers of `model`, the longest list of modules in it, call `advance`."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = max(lists, key=len, default=nn.ModuleList())
    done = itertools.count(1)
    for layer in layers:
        layer.register_forward_hook(lambda *_: advance(next(done), batches * len(layers), "layers"))


def _load(checkpoint: Checkpoint, family: Family) -> SentenceTransformer:
    model = SentenceTransformer(
        str(checkpoint.folder),
        device="cpu",
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        config_kwargs=family.settings(checkpoint.config),
    )
    if checkpoint.has_modules:
        return model
    transformer: Any = model[0]
    # With a chat template, texts would be embedded as messages, which no checkpoint asks for here.
    transformer.modality_config = {"text": transformer.modality_config["text"]}
    transformer.input_formatter.supported_modalities = ["text"]
    pooling = Pooling(transformer.get_embedding_dimension(), checkpoint.pooling_modes)
    normalize = [Normalize()] if checkpoint.normalize else []
    return SentenceTransformer(modules=[transformer, pooling, *normalize], device="cpu")
