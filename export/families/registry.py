"""The supported model families, each in the module that is named after its ``model_type``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triton_embed.export.families import (
    bert,
    camembert,
    clip,
    distilbert,
    gemma3_text,
    llama,
    llama_bidirec,
    llama_nemotron_vl,
    ministral3,
    mistral,
    mistral3,
    modernbert,
    mpnet,
    nomic_bert,
    qwen3,
    roberta,
    siglip,
    t5,
    xlm_roberta,
)
from triton_embed.export.families.family import Family

FAMILIES: dict[str, Family] = {
    module.FAMILY.model_type: module.FAMILY
    for module in (
        bert,
        camembert,
        clip,
        distilbert,
        gemma3_text,
        llama,
        llama_bidirec,
        llama_nemotron_vl,
        ministral3,
        mistral,
        mistral3,
        modernbert,
        mpnet,
        nomic_bert,
        qwen3,
        roberta,
        siglip,
        t5,
        xlm_roberta,
    )
}
"""By ``model_type``."""


def family_of(config: Mapping[str, Any]) -> Family:
    """Return the family of a checkpoint.

    Args:
        config: The checkpoint's ``config.json``, which `checks.check_architecture` accepts.
    """
    return FAMILIES[config["model_type"]]
