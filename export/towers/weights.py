"""Loads a transformer's weights into the class of transformers, and checks that all are used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from torch import nn

from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.errors import ExportError, one_line
from triton_embed.export.families.family import Family

UNUSED = re.compile(
    r"(\w+\.)?(cls|decoder|head\.(dense|norm)|lm_head|pooler|vocab_\w+)\."
    r"|(\w+\.)?(classifier|pre_classifier|qa_outputs|score)\."
    r"|(.+\.)?(inv_freq|position_ids|token_type_ids)$"
)
"""Tensors that embeddings do not depend on: heads of other tasks, and buffers of old versions."""


TEXT_TOWER = re.compile(
    r"(text_(model|projection)|(model\.)?language_model)\.|logit_(scale|bias)$"
    # The pooling head of an image tower whose features a language model reads.
    r"|vision_model\.(vision_model\.)?head\."
)
"""Tensors that the image tower of a model with two towers does not use."""

IMAGE_TOWER = re.compile(
    r"(vision_model|visual_projection|mlp1|(model\.)?(vision_tower|multi_modal_projector))\."
    r"|logit_(scale|bias)$"
)
"""Tensors that the text tower of such a model does not use."""


def load_transformer(
    checkpoint: Checkpoint, family: Family, attention: str, dtype: torch.dtype
) -> Any:
    """Return the text transformer on packed tokens, in evaluation mode.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        family: The checkpoint's family.
        attention: The ``attn_implementation``; see `attention.register`.
        dtype: Element type of the weights.

    Raises:
        ExportError: weights are corrupt, incomplete, of another shape or of another model.
    """
    model = _load(
        family.model_class,
        checkpoint,
        # As read: settings of the caller of a transformer, such as its attention, are left out.
        config=family.load_config(checkpoint.config),
        other_tower=IMAGE_TOWER if family.vision else None,
        dtype=dtype,
        attn_implementation="eager" if family.build_packed else attention,
        key_mapping={family.text_weights: ""} if family.text_weights else None,
        **({"add_pooling_layer": False} if family.has_pooler else {}),
    )
    # The cache of keys and values of a decoder would be unused.
    model.config.use_cache = False
    return (family.build_packed(model, attention) if family.build_packed else model).eval()


def load_tower(checkpoint: Checkpoint, family: Family, attention: str, dtype: torch.dtype) -> Any:
    """Return the image tower in evaluation mode.

    Args:
        checkpoint: The checkpoint, whose weights are on disk.
        family: The checkpoint's family, which has images.
        attention: The ``attn_implementation``.
        dtype: Element type of the weights.

    Raises:
        ExportError: weights are corrupt, incomplete, of another shape or of another model.
    """
    assert family.vision
    return _load(
        family.vision.model_class,
        checkpoint,
        config=family.load_vision_config(checkpoint.config),
        other_tower=TEXT_TOWER,
        dtype=dtype,
        attn_implementation=attention,
        key_mapping=dict(family.vision.weight_names) or None,
    ).eval()


def _load(
    model_class: str,
    checkpoint: Checkpoint,
    *,
    other_tower: re.Pattern[str] | None,
    **arguments: Any,
) -> Any:
    try:
        with _without_report():
            model, report = getattr(transformers, model_class).from_pretrained(
                checkpoint.transformer,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **arguments,
            )
    except Exception as error:
        raise ExportError(f"the weights cannot be loaded: {one_line(error)}") from error
    if missing := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
        raise ExportError(
            f"the weights are incomplete: {len(missing)} tensors are missing or of the wrong "
            f"shape, '{missing[0]}' first"
        )
    unexpected = report["unexpected_keys"]
    if other_tower:
        unexpected = [name for name in unexpected if not other_tower.match(name)]
    _check_unexpected(model, unexpected)
    return model


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep transformers from printing the tensors that are missing or unexpected.

    A model of two towers is loaded in two parts, each of which reports the other.
    """
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)


def _check_unexpected(model: nn.Module, names: Iterable[str]) -> None:
    """Raise ExportError if the weights hold tensors that `model` should use but does not.

    The parity gate cannot detect that: its reference is the same class of transformers.
    """
    if unknown := sorted(name for name in names if not UNUSED.match(name)):
        raise ExportError(
            f"the weights hold '{unknown[0]}', which transformers' {type(model).__name__} does not "
            "use: only the checkpoint's own code, which is never run, could use it"
        )
