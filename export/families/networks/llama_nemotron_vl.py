"""The classes of NVIDIA's Llama-Nemotron VL, without its remote code."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedConfig,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from triton_embed.export.families.networks import llama_bidirec
from triton_embed.export.families.networks.llama_bidirec import LlamaBidirectionalConfig

LAST_LAYER = -1
"""Value of ``select_layer`` for the states after the tower's last normalization."""


class LlamaNemotronVLConfig(PreTrainedConfig):
    """The configuration of both towers."""

    model_type = "llama_nemotron_vl"
    sub_configs = {"vision_config": SiglipVisionConfig, "llm_config": LlamaBidirectionalConfig}  # noqa: RUF012

    def __init__(
        self,
        vision_config: dict[str, Any] | None = None,
        llm_config: dict[str, Any] | None = None,
        downsample_ratio: float = 0.5,
        select_layer: int = LAST_LAYER,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        # The checkpoint has a pooling head, but the features come from before it.
        self.vision_config = SiglipVisionConfig(
            **{**(vision_config or {}), "vision_use_head": False}
        )
        self.llm_config = LlamaBidirectionalConfig(**(llm_config or {}))
        self.downsample_ratio = downsample_ratio
        self.select_layer = select_layer


class LlamaNemotronTower(PreTrainedModel):
    """The image tower, and the projector that maps its states into the language model."""

    config_class = LlamaNemotronVLConfig
    config: LlamaNemotronVLConfig
    _supports_attention_backend = True
    _supports_sdpa = True

    def __init__(self, config: LlamaNemotronVLConfig) -> None:
        super().__init__(config)
        config.vision_config._attn_implementation = config._attn_implementation
        self.vision_model = SiglipVisionModel(config.vision_config)
        merged = config.vision_config.hidden_size * round(1 / config.downsample_ratio) ** 2
        width = config.llm_config.hidden_size
        self.mlp1 = nn.Sequential(
            nn.LayerNorm(merged), nn.Linear(merged, width), nn.GELU(), nn.Linear(width, width)
        )
        self.post_init()

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the features of tiles, [tiles, tokens, width].

        Args:
            pixel_values: Normalized, [tiles, 3, size, size].
        """
        states: Tensor = self.vision_model(pixel_values=pixel_values).last_hidden_state
        merged: Tensor = self.mlp1(merge_patches(states, round(1 / self.config.downsample_ratio)))
        return merged


def merge_patches(states: Tensor, factor: int) -> Tensor:
    """Concatenate the states of `factor` × `factor` neighboring patches, row by row.

    Args:
        states: [tiles, patches, hidden], for the patches of a square row by row.
        factor: Patches in a row and in a column that become one token.

    Returns:
        [tiles, patches / factor², factor² × hidden].
    """
    tiles, patches, hidden = states.shape
    side = round(patches**0.5) // factor
    grid = states.reshape(tiles, side, factor, side, factor, hidden)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(tiles, side * side, factor * factor * hidden)


def register() -> None:
    """Register the classes with ``AutoConfig`` and ``AutoModel``."""
    llama_bidirec.register()
    AutoConfig.register("llama_nemotron_vl", LlamaNemotronVLConfig, exist_ok=True)
    AutoModel.register(LlamaNemotronVLConfig, LlamaNemotronTower, exist_ok=True)
