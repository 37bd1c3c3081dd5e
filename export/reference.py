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

from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.families import FAMILIES, Family
from export.progress import Advance, silent


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
        ExportError: sentence-transformers cannot load the checkpoint.
    """
    family = FAMILIES[checkpoint.config["model_type"]]
    try:
        model = _load(checkpoint, family)
    except Exception as error:
        raise ExportError(f"sentence-transformers cannot load the checkpoint: {error}") from error
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ExportError("the checkpoint has no fast tokenizer (tokenizer.json)")
    model.max_seq_length = max_tokens
    _count_layers(model, len(prompts) * math.ceil(len(texts) / BATCH_SIZE), advance)
    vectors = {
        prompt: model.encode(
            list(texts), prompt=prompt, batch_size=BATCH_SIZE, show_progress_bar=False
        )
        for prompt in prompts
    }
    reference = Reference(tokenizer.to_str(), vectors)
    del model
    gc.collect()
    return reference


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
    pooling = Pooling(transformer.get_embedding_dimension(), checkpoint.pooling_modes)
    normalize = [Normalize()] if checkpoint.normalize else []
    return SentenceTransformer(modules=[transformer, pooling, *normalize], device="cpu")
