"""Mistral 3: Nemotron 3.5 Embed, a Pixtral tower whose features a bidirectional Ministral reads."""

from __future__ import annotations

from typing import Any

from triton_embed.export.checkpoint.pixtral_processor import read_pixtral_processor
from triton_embed.export.families.family import Family
from triton_embed.export.families.vision import ImageMarkers, VisionFamily


def build_any_size(model: Any) -> Any:
    """Return the tower and the projector on the tiles of several images."""
    from triton_embed.export.families.networks.mistral3 import Mistral3Vision

    return Mistral3Vision(model)


def image_features(model: Any, pixels: Any) -> Any:
    """Return the features of one normalized image, [rows, columns, width]."""
    from triton_embed.export.families.networks.mistral3 import image_features as features

    return features(model, pixels)


FAMILY = Family(
    "mistral3",
    required_settings={"vision_feature_layer": -1},
    text_config="text_config",
    text_weights=r"^(?:model\.)?language_model\.(?:model\.)?",
    vision=VisionFamily(
        model_class="AutoModel",
        tower_config=None,
        default_patch_size=16,
        outputs=image_features,
        build_any_size=build_any_size,
        # The values of PixtralImageProcessor.
        preprocessor={
            "size": {"longest_edge": 1024},
            "resample": 3,
            "image_mean": (0.48145466, 0.4578275, 0.40821073),
            "image_std": (0.26862954, 0.26130258, 0.27577711),
        },
        read_preprocessor=read_pixtral_processor,
        markers=ImageMarkers(placeholder="[IMG]", between="[IMG_BREAK]", after="[IMG_END]"),
    ),
)
