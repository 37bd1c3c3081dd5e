"""NVIDIA's Llama-Nemotron VL: a SigLIP2 tower whose features a bidirectional Llama reads."""

from __future__ import annotations

from triton_embed.export.checkpoint.tile_processor import read_tile_processor
from triton_embed.export.families.family import Family
from triton_embed.export.families.llama_bidirec import FAMILY as LLAMA_BIDIREC
from triton_embed.export.families.vision import ImageMarkers, VisionFamily


def register() -> None:
    """Register our classes with ``AutoConfig`` and ``AutoModel``."""
    from triton_embed.export.families.networks import llama_nemotron_vl

    llama_nemotron_vl.register()


FAMILY = Family(
    "llama_nemotron_vl",
    required_settings={"select_layer": -1},
    defaults=LLAMA_BIDIREC.defaults,
    replaces_remote_code=True,
    register=register,
    text_config="llm_config",
    text_weights=r"^(?:model\.)?language_model\.(?:model\.)?",
    vision=VisionFamily(
        model_class="AutoModel",
        tower_config=None,
        weight_names={r"^vision_model\.vision_model\.": "vision_model."},
        default_patch_size=16,
        embeddings=lambda tower: tower.vision_model.embeddings,
        outputs=lambda tower, pixels: tower(pixels),
        # The values in the usage that NVIDIA publishes with the checkpoints.
        preprocessor={
            "image_size": 512,
            "dynamic_image_size": True,
            "max_input_tiles": 6,
            "use_thumbnail": True,
            "norm_type": "siglip",
        },
        read_preprocessor=read_tile_processor,
        markers=ImageMarkers(
            before="<img>", placeholder="<IMG_CONTEXT>", after="</img>", separator=" "
        ),
    ),
)
