"""Small checkpoints with random weights of models that take images, in their official layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from testing.checkpoints import edit_json, write_json
from testing.tokenizers import write_tokenizer

TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.3,
}
VISION: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 16,
    "initializer_range": 0.3,
}
SIZE = VISION["image_size"]


VIT_B_32: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "image_size": 224,
    "patch_size": 32,
}
"""Sizes of the image tower of clip-vit-base-patch32."""


def clip_checkpoint(folder: Path, vision: Mapping[str, Any] = VISION) -> Path:
    """Write a CLIP in the layout of transformers and return its folder.

    Args:
        folder: The checkpoint's folder; created.
        vision: Sizes of the image tower.
    """
    # CLIP pools the token `eos_token_id`; if that is 2, as in old files, the one of the highest id.
    vocabulary = write_tokenizer(folder, "bytes", "<first> $A <mask>")
    text = {
        **TEXT,
        "vocab_size": vocabulary,
        "max_position_embeddings": 40,
        "projection_dim": 24,
        "eos_token_id": 4,
    }
    config = CLIPConfig(
        text_config=text, vision_config={**vision, "projection_dim": 24}, projection_dim=24
    )
    size = vision["image_size"]
    _write(CLIPModel, config, folder)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "size": {"shortest_edge": size},
            "crop_size": {"height": size, "width": size},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "rescale_factor": 1 / 255,
        },
    )
    return folder


def sentence_transformers_clip(folder: Path) -> Path:
    """Write a CLIP in the layout of sentence-transformers, such as clip-ViT-B-32's."""
    clip_checkpoint(folder / "0_CLIPModel")
    module = "sentence_transformers.models.CLIPModel"
    entry = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": module}
    write_json(folder / "modules.json", [entry])
    return folder


def siglip_checkpoint(folder: Path) -> Path:
    """Write a SigLIP in the layout of transformers and return its folder."""
    vocabulary = write_tokenizer(folder, "unigram", "$A <last>")
    text = {**TEXT, "vocab_size": vocabulary, "max_position_embeddings": 40, "projection_size": 48}
    _write(SiglipModel, SiglipConfig(text_config=text, vision_config=VISION), folder)
    edit_json(folder / "tokenizer_config.json", model_max_length=40)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "SiglipImageProcessor",
            "size": {"height": SIZE, "width": SIZE},
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
            "rescale_factor": 1 / 255,
        },
    )
    return folder


def _write(model_class: Any, config: Any, folder: Path) -> None:
    torch.manual_seed(7)
    model = model_class(config)
    # With the usual small weights, all images have almost the same vector; with larger ones, wide
    # layers amplify rounding errors.
    std = min(0.3, 1.5 / config.vision_config.hidden_size**0.5)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=std)
    model.save_pretrained(folder)
