"""The encoder to be exported: a transformer on packed tokens, then pooling, dense and normalise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from triton_embed.export.checkpoint.reader import Checkpoint
from triton_embed.export.errors import ExportError
from triton_embed.export.families.registry import FAMILIES, Family
from triton_embed.export.packing import Packing
from triton_embed.export.precision import FP32, Precision
from triton_embed.export.towers.attention import register
from triton_embed.export.towers.head import ONE_TOKEN, POOLINGS, Dense
from triton_embed.export.towers.norms import prevent_skip_norm_fusion
from triton_embed.export.towers.quantization import quantize

UNUSED = re.compile(
    r"(\w+\.)?(cls|decoder|head\.(dense|norm)|lm_head|pooler|vocab_\w+)\."
    r"|(\w+\.)?(classifier|pre_classifier|qa_outputs|score)\."
    r"|(.+\.)?(inv_freq|position_ids|token_type_ids)$"
)
"""Tensors that embeddings do not depend on: heads of other tasks, and buffers of old versions."""


class PackedEncoder(nn.Module):
    """Embeds packed sequences.

    Attributes:
        dimension: Length of the vectors.
        vocab_size: Rows of the token table.
        pools_one_token: Whether a vector depends on one of its item's last states alone.
    """

    def __init__(self, checkpoint: Checkpoint, target: str, precision: Precision = FP32) -> None:
        """Load the weights.

        Args:
            checkpoint: Where they are.
            target: What attention is lowered for; see `export.attention`.
            precision: Of the transformer.

        Raises:
            ExportError: weights are corrupt, incomplete, of another shape or of another model.
        """
        super().__init__()
        family = FAMILIES[checkpoint.config["model_type"]]
        self.transformer = _load_transformer(checkpoint, family, register(target), precision.dtype)
        # In half precision a sum that is rounded before it is normalised would be less exact.
        if target == "cpu" and precision.dtype == torch.float32:
            prevent_skip_norm_fusion(self.transformer)
        if precision.quantized:
            quantize(self.transformer)
        self.dense = nn.ModuleList(Dense(stage) for stage in checkpoint.dense)
        config = self.transformer.config
        self._padding_id = family.padding_id(config) if family.padding_id else None
        self._token_types = family.token_types
        self._poolings = [POOLINGS[mode] for mode in checkpoint.pooling_modes]
        self.pools_one_token = checkpoint.pooling_modes in ONE_TOKEN
        self._normalize = checkpoint.normalize
        self.vocab_size = config.vocab_size
        self.dimension = (
            checkpoint.dense[-1].out_features
            if checkpoint.dense
            else config.hidden_size * len(self._poolings)
        )

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, pad: Tensor, unpad: Tensor, valid: Tensor
    ) -> Tensor:
        """Return one vector per item.

        Args:
            input_ids: int64 [tokens].
            position_ids: int64 [tokens], each item counting from 0.
            pad: See `Packing`, as `unpad` and `valid`.
            unpad: See `pad`.
            valid: See `pad`.

        Returns:
            float32 [items, dimension].
        """
        packing = Packing(pad, unpad, valid)
        if self._padding_id is not None:
            position_ids = _after_padding_id(input_ids, position_ids, self._padding_id)
        inputs = {"input_ids": input_ids, "position_ids": position_ids}
        if self._token_types:
            inputs["token_type_ids"] = torch.zeros_like(input_ids)
        states = self.transformer(
            **{name: values[None] for name, values in inputs.items()}, packing=packing
        ).last_hidden_state.squeeze(0)
        states = states.to(torch.float32)
        vectors = torch.cat([pool(states, packing) for pool in self._poolings], dim=-1)
        for dense in self.dense:
            vectors = dense(vectors)
        return nn.functional.normalize(vectors, dim=-1) if self._normalize else vectors


def _after_padding_id(input_ids: Tensor, position_ids: Tensor, padding_id: int) -> Tensor:
    """Return `position_ids` counted from after `padding_id`, leaving out tokens of that id."""
    # TensorRT has no CumSum of int64; there are fewer tokens than float32 has whole numbers.
    counted = (input_ids != padding_id).to(torch.float32)
    through = counted.cumsum(0)
    first = torch.arange(input_ids.shape[0]) - position_ids
    before = torch.index_select(through - counted, 0, first)
    return ((through - before) * counted).to(torch.int64) + padding_id


def _load_transformer(
    checkpoint: Checkpoint, family: Family, attention: str, dtype: torch.dtype
) -> Any:
    try:
        model, report = family.model.from_pretrained(
            checkpoint.transformer,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            dtype=dtype,
            attn_implementation="eager" if family.rewire else attention,
            output_loading_info=True,
            **({"add_pooling_layer": False} if family.pooler else {}),
            **family.settings(checkpoint.config),
        )
    except Exception as error:
        raise ExportError(f"the weights cannot be loaded: {error}") from error
    if lacking := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
        raise ExportError(
            f"the weights are incomplete: {len(lacking)} tensors are missing or of the wrong "
            f"shape, '{lacking[0]}' first"
        )
    _check_unexpected(model, report["unexpected_keys"])
    # A decoder's cache of keys and values would only be computed to be thrown away.
    model.config.use_cache = False
    return (family.rewire(model, attention) if family.rewire else model).eval()


def _check_unexpected(model: nn.Module, names: Iterable[str]) -> None:
    """Raise ExportError if the weights hold more than `model` uses.

    The parity gate would not notice: its reference is the same class of transformers.
    """
    if foreign := sorted(name for name in names if not UNUSED.match(name)):
        raise ExportError(
            f"the weights hold '{foreign[0]}', which transformers' {type(model).__name__} does not "
            "know: only the checkpoint's own code, which is never run, could use it"
        )
