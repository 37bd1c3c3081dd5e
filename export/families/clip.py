"""CLIP: a causal text tower pooled at the end token, and an image tower, each with a projection."""

from __future__ import annotations

from typing import Any

from triton_embed.export.families.family import Family, FamilyDefaults
from triton_embed.export.families.vision import VisionFamily


def build_packed(model: Any, attention: str) -> Any:
    """Return CLIP's text tower on packed tokens."""
    from triton_embed.export.families.networks.clip import PackedClip

    return PackedClip(model, attention)


FAMILY = Family(
    "clip",
    text_config="text_config",
    text_sizes={
        "vocab_size": 49408,
        "hidden_size": 512,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "max_position_embeddings": 77,
        "projection_dim": 512,
    },
    # The end token is the last one.
    defaults=FamilyDefaults(poolings={"eos": "lasttoken"}, normalize=True),
    model_class="CLIPTextModelWithProjection",
    build_packed=build_packed,
    projection=lambda model: model.projection,
    projection_size="projection_dim",
    vision=VisionFamily(
        model_class="CLIPVisionModelWithProjection",
        default_patch_size=32,
        embeddings=lambda tower: tower.vision_model.embeddings,
        outputs=lambda tower, pixels: tower(pixel_values=pixels).image_embeds,
        preprocessor={
            "size": 224,
            "crop_size": 224,
            "do_center_crop": True,
            "resample": 3,
            "image_mean": (0.48145466, 0.4578275, 0.40821073),
            "image_std": (0.26862954, 0.26130258, 0.27577711),
        },
    ),
)
