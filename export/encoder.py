"""The encoder to be exported: a transformer on packed tokens, then pooling, dense and normalise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PretrainedConfig

from export.attention import register
from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.packing import Packing
from export.stages import POOLINGS, Dense

POSITION_OFFSET: dict[str, Callable[[PretrainedConfig], int]] = {
    "bert": lambda config: 0,
    "camembert": lambda config: config.pad_token_id + 1,
    "roberta": lambda config: config.pad_token_id + 1,
    "xlm-roberta": lambda config: config.pad_token_id + 1,
}
"""Supported ``model_type``s, with the position id of a sequence's first token."""


def check_architecture(config: dict[str, Any]) -> None:
    """Raise ExportError unless the encoder that ``config.json`` describes can be exported."""
    kind = config.get("model_type")
    if kind not in POSITION_OFFSET:
        raise ExportError(
            f"architecture '{kind}' is not supported; supported are {', '.join(POSITION_OFFSET)}"
        )
    if config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
        raise ExportError(f"only bidirectional '{kind}' with absolute positions is supported")


class PackedEncoder(nn.Module):
    """Embeds packed sequences.

    Attributes:
        dimension: Length of the vectors.
        max_positions: Longest sequence that the position table holds.
        vocab_size: Rows of the token table.
    """

    def __init__(self, checkpoint: Checkpoint, target: str) -> None:
        """Load the weights in float32.

        Raises:
            ExportError: weights are corrupt, incomplete or of another shape.
        """
        super().__init__()
        self.transformer = _load_transformer(checkpoint, register(target))
        self.dense = nn.ModuleList(Dense(stage) for stage in checkpoint.dense)
        config = self.transformer.config
        self._position_offset = POSITION_OFFSET[config.model_type](config)
        self._poolings = [POOLINGS[mode] for mode in checkpoint.pooling_modes]
        self._normalize = checkpoint.normalize
        self.max_positions = config.max_position_embeddings - self._position_offset
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
        states = self.transformer(
            input_ids=input_ids[None],
            position_ids=position_ids[None] + self._position_offset,
            token_type_ids=torch.zeros_like(input_ids)[None],
            packing=packing,
        ).last_hidden_state[0]
        states = states.to(torch.float32)
        vectors = torch.cat([pool(states, packing) for pool in self._poolings], dim=-1)
        for dense in self.dense:
            vectors = dense(vectors)
        return nn.functional.normalize(vectors, dim=-1) if self._normalize else vectors


def _load_transformer(checkpoint: Checkpoint, attention: str) -> Any:
    try:
        model, report = AutoModel.from_pretrained(
            checkpoint.transformer,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            attn_implementation=attention,
            add_pooling_layer=False,
            output_loading_info=True,
        )
    except Exception as error:
        raise ExportError(f"the weights cannot be loaded: {error}") from error
    if lacking := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
        raise ExportError(
            f"the weights are incomplete: {len(lacking)} tensors are missing or of the wrong "
            f"shape, '{lacking[0]}' first"
        )
    return model.eval()
