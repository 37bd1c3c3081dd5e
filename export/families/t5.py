"""T5's encoder: GTR, sentence-T5. A relative bias and no positions."""

from __future__ import annotations

from typing import Any

from triton_embed.export.families.family import Family


def build_packed(model: Any, attention: str) -> Any:
    """Return T5's encoder on packed tokens."""
    from triton_embed.export.families.networks.t5 import PackedT5

    return PackedT5(model, attention)


FAMILY = Family(
    "t5",
    setting_names={
        "hidden_size": "d_model",
        "head_dim": "d_kv",
        "intermediate_size": "d_ff",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
    },
    has_positions=False,
    model_class="T5EncoderModel",
    build_packed=build_packed,
)
