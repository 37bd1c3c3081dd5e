"""CLIP's text tower on packed tokens."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection
from transformers.modeling_outputs import BaseModelOutput

from triton_embed.export.packing import Packing


class PackedClip(nn.Module):
    """CLIP's text tower on packed tokens, without its projection."""

    def __init__(self, model: CLIPTextModelWithProjection, attention: str) -> None:
        """Share the modules of `model`, with the attention function named `attention`."""
        super().__init__()
        tower = cast(Any, model.text_model)
        self.config = tower.config
        self.config._attn_implementation = attention
        self.token_embedding = tower.embeddings.token_embedding
        self.position_embedding = tower.embeddings.position_embedding
        self.layers = tower.encoder.layers
        self.final_layer_norm = tower.final_layer_norm
        self.projection = model.text_projection

    def forward(self, input_ids: Tensor, position_ids: Tensor, packing: Packing) -> BaseModelOutput:
        """Return the states of `input_ids`, int64 [1, tokens]."""
        states = self.token_embedding(input_ids) + self.position_embedding(position_ids)
        for layer in self.layers:
            states = layer(states, None, packing=packing, is_causal=True)
        return BaseModelOutput(last_hidden_state=self.final_layer_norm(states))
