"""Nomic BERT, without its remote code: nomic-embed-text-v1 and -v1.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_embed.export.families.family import Family

REQUIRED_SETTINGS = {
    "activation_function": "swiglu",
    "causal": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "use_rms_norm": False,
}
"""The architecture that transformers' ``NomicBertModel`` is built for."""

OFFICIAL_NAMES = {
    "layer_norm_eps": "layer_norm_epsilon",
    "hidden_size": "n_embd",
    "num_attention_heads": "n_head",
    "intermediate_size": "n_inner",
    "num_hidden_layers": "n_layer",
}
"""transformers' names of settings, and their official names, which are GPT-2's."""

MAX_POSITIONS = 2048
"""Maximum tokens of a text unless config.json has transformers' name for it: the official name,
``n_positions``, includes Nomic's optional scaling of positions."""


def translated_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an official ``config.json`` under transformers' names."""
    if not config.keys() >= set(OFFICIAL_NAMES.values()):
        return {}
    settings = {name: config[official] for name, official in OFFICIAL_NAMES.items()}
    return {**settings, "head_dim": config["n_embd"] // config["n_head"]}


FAMILY = Family(
    "nomic_bert",
    token_types=True,
    required_settings=REQUIRED_SETTINGS,
    setting_names=OFFICIAL_NAMES,
    default_positions=MAX_POSITIONS,
    translated_settings=translated_settings,
    replaces_remote_code=True,
)
