"""A small Mistral 3 with random weights, in the official layout of Nemotron 3.5 Embed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Mistral3Config, Mistral3Model

from testing.checkpoints import PACKAGE, edit_json, write_json
from testing.tokenizers import write_tokenizer

PATCH, MERGE = 8, 2
SIZE = PATCH * MERGE
"""Width and height of the square that becomes a token, in pixels."""

LONGEST_EDGE = 140
MAX_TOKENS = 200

VISION: dict[str, Any] = {
    "model_type": "pixtral",
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "patch_size": PATCH,
    "hidden_act": "silu",
    "rope_theta": 10000.0,
}

LANGUAGE: dict[str, Any] = {
    "model_type": "ministral3",
    "is_causal": False,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "sliding_window": None,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 1000000.0,
        "factor": 16.0,
        "original_max_position_embeddings": 32,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "llama_4_scaling_beta": 0.1,
    },
}

MARKERS = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")

CHAT_TEMPLATE = """
{%- if not messages %}{{ raise_exception("there are no messages") }}{% endif %}
{{- bos_token -}}
{%- for message in messages -%}
  {%- for part in message['content'] -%}
    {%- if part['type'] == 'image' -%}[IMG]
    {%- else -%}{{- part['text'] -}}
    {%- endif -%}
  {%- endfor -%}
{%- endfor -%}
"""


def mistral3_checkpoint(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> Path:
    """Write the checkpoint and return its folder.

    Args:
        folder: The checkpoint's folder; created.
        chat_template: The template of inputs; ``None``: none.
    """
    write_tokenizer(folder, "bytes", "<first> $A")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([*MARKERS[1:], MARKERS[0]])
    tokenizer.save(str(folder / "tokenizer.json"))
    edit_json(folder / "tokenizer_config.json", model_max_length=MAX_TOKENS)
    _write_weights(folder, tokenizer)
    write_json(
        folder / "processor_config.json",
        {
            "processor_class": "PixtralProcessor",
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "image_token": MARKERS[0],
            "image_break_token": MARKERS[1],
            "image_end_token": MARKERS[2],
            "image_processor": {
                "image_processor_type": "PixtralImageProcessorFast",
                "size": {"longest_edge": LONGEST_EDGE},
                "patch_size": {"height": PATCH, "width": PATCH},
                "resample": 3,
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
                "rescale_factor": 1 / 255,
            },
        },
    )
    if chat_template:
        (folder / "chat_template.jinja").write_text(chat_template)
    _write_modules(folder)
    return folder


def _write_weights(folder: Path, tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    config = Mistral3Config(
        vision_config=dict(VISION),
        text_config={**LANGUAGE, "vocab_size": len(vocabulary)},
        image_token_index=vocabulary[MARKERS[0]],
        spatial_merge_size=MERGE,
        projector_hidden_act="gelu",
        dtype="float32",
    )
    torch.manual_seed(7)
    model = Mistral3Model(config)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            torch.nn.init.normal_(weight, mean=1.0, std=0.1)
        else:
            # The smaller the embeddings, the more the image counts.
            scale = 1.0 if "embed_tokens" in name else 1.5 / weight[0].numel() ** 0.5
            torch.nn.init.normal_(weight, std=scale)
    model.save_pretrained(folder)


def _write_modules(folder: Path) -> None:
    modality = {"method": "forward", "method_output_name": "last_hidden_state"}
    write_json(
        folder / "sentence_bert_config.json",
        {
            "modality_config": {
                **{name: modality for name in ("text", "image")},
                "message": {**modality, "format": "structured"},
            },
            "module_output_name": "token_embeddings",
            "max_seq_length": MAX_TOKENS,
        },
    )
    prompts = {"query": "query: ", "document": "passage: "}
    write_json(folder / "config_sentence_transformers.json", {"prompts": prompts})
    pooling = {"embedding_dimension": LANGUAGE["hidden_size"], "pooling_mode": "mean"}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"{PACKAGE}.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ],
    )
