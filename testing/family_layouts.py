"""Rewrite the files of a small checkpoint in the layout of its family's official checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from testing.checkpoints import edit_json, write_json


def nvidia(folder: Path) -> None:
    """Turn a Llama into NVIDIA's: ``auto_map`` names code, which must never be run."""
    config = json.loads((folder / "config.json").read_text())
    del config["is_causal"]
    module = "llama_bidirectional_model"
    config |= {
        "architectures": ["LlamaBidirectionalModel"],
        "auto_map": {
            "AutoConfig": f"{module}.LlamaBidirectionalConfig",
            "AutoModel": f"{module}.LlamaBidirectionalModel",
        },
        "pooling": "avg",
    }
    write_json(folder / "config.json", config)
    marker = folder / "executed"
    (folder / f"{module}.py").write_text(f"open({str(marker)!r}, 'w')\nraise SystemExit\n")


SENTENCE_TRANSFORMERS_FILES = (
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
)


def nvidia_without_modules(folder: Path) -> None:
    """Turn a Llama into NVIDIA's without the files of sentence-transformers."""
    nvidia(folder)
    for name in SENTENCE_TRANSFORMERS_FILES:
        (folder / name).unlink()


def nomic(folder: Path) -> None:
    """Write ``config.json`` as in nomic-embed-text-v1: GPT-2's names, and code on the hub."""
    repository = "nomic-ai/nomic-bert-2048"
    saved = json.loads((folder / "config.json").read_text())
    official = {
        "architectures": ["NomicBertModel"],
        "auto_map": {
            "AutoConfig": f"{repository}--configuration_hf_nomic_bert.NomicBertConfig",
            "AutoModel": f"{repository}--modeling_hf_nomic_bert.NomicBertModel",
        },
        "model_type": "nomic_bert",
        "activation_function": "swiglu",
        "causal": False,
        "layer_norm_epsilon": 1e-12,
        "max_trained_positions": 2048,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "n_embd": saved["hidden_size"],
        "n_head": saved["num_attention_heads"],
        "n_inner": saved["intermediate_size"],
        "n_layer": saved["num_hidden_layers"],
        "n_positions": 8192,
        "pad_vocab_size_multiple": 1,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 2,
        "use_flash_attn": True,
        "use_rms_norm": False,
        "vocab_size": saved["vocab_size"],
    }
    write_json(folder / "config.json", official)


def plain_causal_llama(folder: Path) -> None:
    """Turn a Llama into a plain language model, without the files of sentence-transformers."""
    edit_json(folder / "config.json", architectures=["LlamaForCausalLM"])
    for name in SENTENCE_TRANSFORMERS_FILES:
        (folder / name).unlink()


def half_precision(folder: Path) -> None:
    """Store the weights as bfloat16."""
    weights = load_file(folder / "model.safetensors")
    halves = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    save_file(halves, folder / "model.safetensors", {"format": "pt"})
    edit_json(folder / "config.json", dtype="bfloat16")


def sharded(folder: Path) -> None:
    """Store the weights in several files."""
    model = AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
