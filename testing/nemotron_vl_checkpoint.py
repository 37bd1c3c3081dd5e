"""A small Llama-Nemotron VL with random weights, in the official layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from testing.checkpoints import edit_json, write_json
from testing.tokenizers import write_tokenizer

SIZE = 64
"""Width and height of a tile, in pixels."""

VISION: dict[str, Any] = {
    "model_type": "siglip_vision_model",
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": SIZE,
    "patch_size": 16,
}

LANGUAGE: dict[str, Any] = {
    "model_type": "llama_bidirec",
    "architectures": ["LlamaBidirectionalModel"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 64,
        "rope_type": "llama3",
    },
    "pooling": "avg",
}

MARKERS = ("<img>", "</img>", "<IMG_CONTEXT>", "<|im_end|>")


def nemotron_vl_checkpoint(
    folder: Path,
    vision_prefix: str = "vision_model.vision_model.",
    vision: Mapping[str, Any] = VISION,
    language: Mapping[str, Any] = LANGUAGE,
    max_tokens: int = 200,
) -> Path:
    """Write the checkpoint and return its folder.

    Args:
        folder: The checkpoint's folder; created.
        vision_prefix: Beginning of the names of the image tower's weights; both spellings occur.
        vision: Sizes of the image tower.
        language: Sizes of the language model.
        max_tokens: Maximum tokens of a passage.
    """
    write_tokenizer(folder, "bytes", "<first> $A")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(list(MARKERS))
    tokenizer.save(str(folder / "tokenizer.json"))
    edit_json(
        folder / "tokenizer_config.json", model_max_length=2 * max_tokens, padding_side="left"
    )
    vocabulary = tokenizer.get_vocab_size()
    placeholder = tokenizer.token_to_id("<IMG_CONTEXT>")
    assert placeholder
    config = _config(vision, {**language, "vocab_size": vocabulary}, placeholder)
    write_json(folder / "config.json", config)
    processor = _processor_config(vision["image_size"], max_tokens)
    write_json(folder / "processor_config.json", processor)
    torch.manual_seed(7)
    weights = {
        **_vision_weights(vision_prefix, vision),
        **_projector_weights(vision["hidden_size"], language["hidden_size"]),
        **_language_weights(vocabulary, language),
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _config(
    vision: Mapping[str, Any], language: Mapping[str, Any], placeholder: int
) -> dict[str, Any]:
    return {
        "model_type": "llama_nemotron_vl",
        "architectures": ["LlamaNemotronVLModel"],
        "auto_map": {"AutoModel": "modeling_llama_nemotron_vl.LlamaNemotronVLModel"},
        "vision_config": dict(vision),
        "llm_config": dict(language),
        "select_layer": -1,
        "downsample_ratio": 0.5,
        "force_image_size": vision["image_size"],
        "pooling": "avg",
        "img_context_token_id": placeholder,
        "max_input_tiles": 2,
        "use_thumbnail": False,
        "torch_dtype": "float32",
    }


def _processor_config(size: int, max_tokens: int) -> dict[str, Any]:
    return {
        "processor_class": "LlamaNemotronVLProcessor",
        "image_size": size,
        "max_input_tiles": 6,
        "use_thumbnail": True,
        "dynamic_image_size": True,
        "norm_type": "siglip",
        "q_max_length": 100,
        "p_max_length": max_tokens,
        "query_prefix": "query:",
        "passage_prefix": "passage:",
    }


def _linear(name: str, outputs: int, inputs: int, bias: bool = True) -> dict[str, Tensor]:
    weights = {f"{name}.weight": torch.randn(outputs, inputs) * 1.5 / inputs**0.5}
    return weights | ({f"{name}.bias": 0.1 * torch.randn(outputs)} if bias else {})


def _norm(name: str, size: int, bias: bool = True) -> dict[str, Tensor]:
    weights = {f"{name}.weight": 1 + 0.1 * torch.randn(size)}
    return weights | ({f"{name}.bias": 0.1 * torch.randn(size)} if bias else {})


def _vision_weights(prefix: str, sizes: Mapping[str, Any]) -> dict[str, Tensor]:
    hidden, inner, patch = sizes["hidden_size"], sizes["intermediate_size"], sizes["patch_size"]
    patches = (sizes["image_size"] // patch) ** 2
    weights = {
        "embeddings.patch_embedding.weight": torch.randn(hidden, 3, patch, patch) * 0.05,
        "embeddings.patch_embedding.bias": 0.1 * torch.randn(hidden),
        "embeddings.position_embedding.weight": 0.3 * torch.randn(patches, hidden),
        **_norm("post_layernorm", hidden),
        # The pooling head, which is not used.
        "head.probe": torch.randn(1, 1, hidden),
        "head.attention.in_proj_weight": torch.randn(3 * hidden, hidden),
        "head.attention.in_proj_bias": torch.randn(3 * hidden),
        **_linear("head.attention.out_proj", hidden, hidden),
        **_norm("head.layernorm", hidden),
        **_linear("head.mlp.fc1", inner, hidden),
        **_linear("head.mlp.fc2", hidden, inner),
    }
    for index in range(sizes["num_hidden_layers"]):
        layer = f"encoder.layers.{index}"
        weights |= _norm(f"{layer}.layer_norm1", hidden) | _norm(f"{layer}.layer_norm2", hidden)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            weights |= _linear(f"{layer}.self_attn.{name}", hidden, hidden)
        weights |= _linear(f"{layer}.mlp.fc1", inner, hidden)
        weights |= _linear(f"{layer}.mlp.fc2", hidden, inner)
    return {f"{prefix}{name}": weight for name, weight in weights.items()}


def _projector_weights(hidden: int, width: int) -> dict[str, Tensor]:
    return {
        **_norm("mlp1.0", 4 * hidden),
        **_linear("mlp1.1", width, 4 * hidden),
        **_linear("mlp1.3", width, width),
    }


def _language_weights(vocabulary: int, sizes: Mapping[str, Any]) -> dict[str, Tensor]:
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    keys = hidden * sizes["num_key_value_heads"] // sizes["num_attention_heads"]
    weights = {"embed_tokens.weight": torch.randn(vocabulary, hidden)}
    weights |= _norm("norm", hidden, bias=False)
    for index in range(sizes["num_hidden_layers"]):
        layer = f"layers.{index}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights |= _norm(f"{layer}.{name}", hidden, bias=False)
        for name, size in (("q_proj", hidden), ("k_proj", keys), ("v_proj", keys)):
            weights |= _linear(f"{layer}.self_attn.{name}", size, hidden, bias=False)
        weights |= _linear(f"{layer}.self_attn.o_proj", hidden, hidden, bias=False)
        for name in ("gate_proj", "up_proj"):
            weights |= _linear(f"{layer}.mlp.{name}", inner, hidden, bias=False)
        weights |= _linear(f"{layer}.mlp.down_proj", hidden, inner, bias=False)
    return {f"language_model.{name}": weight for name, weight in weights.items()}
