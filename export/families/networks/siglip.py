"""SigLIP's text tower on packed tokens."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from transformers import SiglipTextModel
from transformers.modeling_outputs import BaseModelOutput

from triton_embed.export.packing import Packing


class PackedSiglip(nn.Module):
    """SigLIP's text tower on packed tokens, without its projection.

    Its attention layers pass on the mask only, which therefore carries the packing.
    """

    def __init__(self, model: SiglipTextModel, attention: str) -> None:
        """Share the modules of `model`, with the attention function named `attention`."""
        super().__init__()
        self.config = model.config
        self.config._attn_implementation = attention
        self.token_embedding = model.embeddings.token_embedding
        self.position_embedding = model.embeddings.position_embedding
        self.layers = cast(Any, model.encoder.layers)
        self.final_layer_norm = model.final_layer_norm
        self.head = model.head

    def forward(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> BaseModelOutput:
        """Return the states of `input_ids`, int64 [1, tokens]."""
        states = self.token_embedding(input_ids) + self.position_embedding(position_ids)
        for layer in self.layers:
            states = layer(states, attention_mask=packing)
        return BaseModelOutput(last_hidden_state=self.final_layer_norm(states))
