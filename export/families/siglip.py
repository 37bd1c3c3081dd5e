"""SigLIP, and SigLIP2 with a fixed image size: texts are padded to one length and never masked."""

from __future__ import annotations

from typing import Any

from triton_embed.export.families.family import Family, FamilyDefaults
from triton_embed.export.families.vision import VisionFamily


def build_packed(model: Any, attention: str) -> Any:
    """Return SigLIP's text tower on packed tokens."""
    from triton_embed.export.families.networks.siglip import PackedSiglip

    return PackedSiglip(model, attention)


FAMILY = Family(
    "siglip",
    text_config="text_config",
    text_sizes={
        "vocab_size": 32000,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 64,
    },
    # The last token is padding in almost every text.
    defaults=FamilyDefaults(poolings={"last": "lasttoken"}, normalize=True),
    model_class="SiglipTextModel",
    build_packed=build_packed,
    projection=lambda model: model.head,
    projection_size="projection_size",
    pads_texts=True,
    vision=VisionFamily(
        model_class="SiglipVisionModel",
        default_patch_size=16,
        embeddings=lambda tower: tower.embeddings,
        outputs=lambda tower, pixels: tower(pixel_values=pixels).pooler_output,
        preprocessor={
            "size": 224,
            "do_center_crop": False,
            "resample": 3,
            "image_mean": (0.5, 0.5, 0.5),
            "image_std": (0.5, 0.5, 0.5),
        },
    ),
)
